package update

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/tufrepo"
)

// Config is /etc/updog.toml, which is rendered from settings. Unknown keys are ignored.
type Config struct {
	MetadataBaseURL string // http, https or file
	TargetsBaseURL  string
	Seed            uint32 // place among the waves
	VersionLock     string // "latest", or the only version wanted
	IgnoreWaves     bool
	HTTPSProxy      string   // empty: what the environment says
	NoProxy         []string // hosts, .domains, networks, or *
}

// maxConfigSize is far above what settings can render.
const maxConfigSize = 1 << 20

// LoadConfig reads the configuration at path.
func LoadConfig(path string) (Config, error) {
	text, err := durable.ReadFile(path, maxConfigSize)
	if err != nil {
		return Config{}, missing(fixed("Failed to read config file %s: %w", path, err),
			"it is rendered from settings: apiclient set updates.metadata-base-url=URL updates.targets-base-url=URL")
	}
	c, err := ParseConfig(text)
	if err != nil {
		return Config{}, fixed("Failed to parse config file %s: %w", path, err)
	}
	return c, nil
}

// ParseConfig parses a configuration. All keys but those of the proxy are required.
func ParseConfig(text []byte) (Config, error) {
	var file struct {
		Metadata    *string  `toml:"metadata_base_url"`
		Targets     *string  `toml:"targets_base_url"`
		Seed        *uint32  `toml:"seed"`
		Lock        *string  `toml:"version_lock"`
		IgnoreWaves *bool    `toml:"ignore_waves"`
		HTTPSProxy  string   `toml:"https_proxy"`
		NoProxy     []string `toml:"no_proxy"`
	}
	if err := toml.NewDecoder(bytes.NewReader(text)).Decode(&file); err != nil {
		return Config{}, err
	}
	for _, key := range []struct {
		name    string
		missing bool
	}{
		{"metadata_base_url", file.Metadata == nil},
		{"targets_base_url", file.Targets == nil},
		{"seed", file.Seed == nil},
		{"version_lock", file.Lock == nil},
		{"ignore_waves", file.IgnoreWaves == nil},
	} {
		if key.missing {
			return Config{}, &api.Error{
				Code: api.CodeNotFound, Message: fmt.Sprintf("missing field `%s`", key.name),
				Hint: "a setting has no value: apiclient set updates." + strings.ReplaceAll(key.name, "_", "-") + "=VALUE; a boot makes a seed",
			}
		}
	}
	return Config{*file.Metadata, *file.Targets, *file.Seed, *file.Lock, *file.IgnoreWaves, file.HTTPSProxy, file.NoProxy}, nil
}

// checkURLs refuses addresses that are none; which schemes there are is the repository's affair.
func (c Config) checkURLs() error {
	for _, text := range []string{c.MetadataBaseURL, c.TargetsBaseURL} {
		if _, err := tufrepo.ParseAddress(text); err != nil {
			return fixed("Unable to parse '%s' as a URL: %w", tufrepo.Masked(text), err)
		}
	}
	return nil
}
