package pubsys

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/hostler-os/hostler/internal/durable"
)

// infra is Infra.toml, the reference's publishers' file: repositories by name,
// where they are and with which keys they are signed.
type infra struct {
	Repo map[string]infraRepo `toml:"repo"`

	// What their other programs read, to register images and to fetch kits.
	AWS    map[string]any `toml:"aws"`
	VMware map[string]any `toml:"vmware"`
	Vendor map[string]any `toml:"vendor"`

	dir string // relative paths begin here
}

type infraRepo struct {
	RootRoleURL     string    `toml:"root_role_url"`
	RootRoleSHA512  string    `toml:"root_role_sha512"`
	SigningKeys     *infraKey `toml:"signing_keys"`
	RootKeys        *infraKey `toml:"root_keys"` // of those who make roots; not used here
	MetadataBaseURL string    `toml:"metadata_base_url"`
	TargetsURL      string    `toml:"targets_url"`
	FileHosting     string    `toml:"file_hosting_config_name"` // of other programs of theirs
	RootThreshold   int       `toml:"root_key_threshold"`
	PubThreshold    int       `toml:"pub_key_threshold"`
}

// infraKey is a key in one of these forms. The last one is ours.
type infraKey struct {
	File *struct {
		Path string `toml:"path"`
	} `toml:"file"`
	KMS    map[string]any `toml:"kms"`
	SSM    map[string]any `toml:"ssm"`
	PKCS11 *struct {
		URI string `toml:"uri"`
	} `toml:"pkcs11"`
}

const (
	maxInfra     = 1 << 20
	infraDefault = "Infra.toml"
)

// readInfra reads the file, or, if none was named, the one in this folder if there is one.
func readInfra(path string) (*infra, error) {
	given := path != ""
	if !given {
		path = infraDefault
	}
	text, err := durable.ReadFile(path, maxInfra)
	if !given && errors.Is(err, fs.ErrNotExist) {
		return &infra{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	i := &infra{dir: filepath.Dir(path)}
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(i); err != nil {
		if strict := new(toml.StrictMissingError); errors.As(err, &strict) {
			return nil, fmt.Errorf("read configuration: %s: unknown keys:\n%s", path, strict.String())
		}
		return nil, fmt.Errorf("read configuration: %s: %w", path, err)
	}
	return i, nil
}

// path is a file: address or a path, relative to the file that names it.
func (i *infra) path(text string) string {
	path := strings.TrimPrefix(strings.TrimPrefix(text, "file://"), "file:")
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(i.dir, path)
}

// signingKey is the source of the key that signs; empty if none is configured.
func (i *infra) signingKey(r infraRepo) (string, error) {
	k := r.SigningKeys
	switch {
	case k == nil:
		return "", nil
	case k.File != nil:
		return i.path(k.File.Path), nil
	case k.PKCS11 != nil:
		return k.PKCS11.URI, nil
	}
	return "", hintf("describe a command that signs with it in a file KEY.toml, and write signing_keys = { file = { path = \"KEY.toml\" } }; pubsys keys --help tells how",
		"keys in cloud services (kms, ssm) are not reached directly")
}

// root is the path of the root role, whose digest is checked if one is given;
// empty if none is configured.
func (i *infra) root(r infraRepo) (string, error) {
	switch {
	case r.RootRoleURL == "" && r.RootRoleSHA512 == "":
		return "", nil
	case r.RootRoleURL == "":
		return "", errors.New("root_role_sha512 is given without root_role_url")
	case onNetwork(r.RootRoleURL):
		return "", hintf("download it, compare its SHA-512, and name the file with --root", "root_role_url is on the network")
	}
	path := i.path(r.RootRoleURL)
	if r.RootRoleSHA512 == "" {
		return path, nil
	}
	raw, err := durable.ReadFile(path, maxInfra)
	if err != nil {
		return "", fmt.Errorf("read root: %w", err)
	}
	if sum := sha512.Sum512(raw); !strings.EqualFold(hex.EncodeToString(sum[:]), r.RootRoleSHA512) {
		return "", fmt.Errorf("root_role_sha512: %s has the SHA-512 %x", path, sum)
	}
	return path, nil
}
