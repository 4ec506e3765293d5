package pubsys

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/tufrepo/publish"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// lives is how long metadata of each role is good: an expiration policy file.
type lives struct {
	Snapshot  string `toml:"snapshot_expiration"`
	Targets   string `toml:"targets_expiration"`
	Timestamp string `toml:"timestamp_expiration"`
}

//go:embed policies/*.toml
var policies embed.FS

const (
	maxPolicy     = 64 << 10
	defaultExpiry = "2w-2w-1w"
	expiryUsage   = "expiration policy: a `FILE`, or 2w-2w-1w"
)

// readLives reads a policy by name or from a file.
func readLives(nameOrFile string) (lives, error) {
	text, err := policies.ReadFile("policies/" + nameOrFile + ".toml")
	if err != nil {
		if text, err = durable.ReadFile(nameOrFile, maxPolicy); err != nil {
			return lives{}, fmt.Errorf("read expiration policy: %w", err)
		}
	}
	var l lives
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&l); err != nil {
		if strict := new(toml.StrictMissingError); errors.As(err, &strict) {
			err = fmt.Errorf("unknown keys:\n%s", strings.TrimSpace(strict.String()))
		}
		return l, fmt.Errorf("read expiration policy %s: %w", nameOrFile, err)
	}
	return l, nil
}

// from is when metadata expires that is good from a time on.
func (l lives) from(start time.Time) (e publish.Expirations, err error) {
	for _, role := range []struct {
		name, text string
		at         *time.Time
	}{
		{"snapshot", l.Snapshot, &e.Snapshot}, {"targets", l.Targets, &e.Targets}, {"timestamp", l.Timestamp, &e.Timestamp},
	} {
		life, err := manifest.ParseOffset(role.text)
		if err != nil {
			return e, fmt.Errorf("expiration policy: %s_expiration: %w", role.name, err)
		}
		if life <= 0 {
			return e, fmt.Errorf("expiration policy: %s_expiration: metadata that is good for no time", role.name)
		}
		*role.at = start.Add(life)
	}
	return e, nil
}
