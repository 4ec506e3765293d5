// Package model is the typed settings model of one variant: its groups with
// their schemas, defaults, services, configuration files and metadata.
//
// A group is a folder models/GROUP with schema.json and defaults.toml; a
// variant is a file variants/NAME.toml that names groups. Start with [Load];
// [Model.ParseJSON], [Model.ParseTree] and [Model.ParsePairs] turn documents
// from outside into validated pairs, [Model.Explain] and [Model.Resolve] help
// people, and the rest answers what the model says of a key.
//
// Package schema checks values. This package walks documents along
// the compiled schemas, so that it knows the key, the line and the nearest
// known name of every fault, and stores what it read in one normal form.
//
// It deliberately knows no store and no templates, and it never changes after
// loading: which value a key has is the business of others.
package model

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"

	"github.com/hostler-os/hostler/internal/key"
)

// root is the first segment of every setting's key.
const root = "settings"

// Names of metadata that the suite knows.
const (
	MetadataAffectedServices = "affected-services"
	MetadataSettingGenerator = "setting-generator"
	MetadataTemplate         = "template"
)

// Model is the compiled model of one variant. It is immutable and safe for concurrent use.
type Model struct {
	variant  string
	root     *node
	files    map[string][]byte // schema files as they are, for Schema
	defaults []key.Pair
	services map[string]Service
	configs  map[string]ConfigurationFile
	metadata map[string]map[key.Key]json.RawMessage // by name of the metadata
}

// Service is a service of the model.
type Service struct {
	ConfigurationFiles []string `json:"configuration-files" toml:"configuration-files"`
	RestartCommands    []string `json:"restart-commands" toml:"restart-commands"`
}

// ConfigurationFile is a file that is rendered. Mode is octal digits. Beyond
// the reference: Owner is "user:group" or numbers, and Private keeps a file
// without a mode from everyone but its owner. The API does not show Private,
// as the reference's clients refuse members they do not know.
type ConfigurationFile struct {
	Path         string `json:"path" toml:"path"`
	TemplatePath string `json:"template-path" toml:"template-path"`
	Mode         string `json:"mode,omitempty" toml:"mode"`
	Owner        string `json:"owner,omitempty" toml:"owner"`
	Private      bool   `json:"-" toml:"private"`
}

// Permissions are the octal digits that the file gets: its mode, or 0600 for a
// private file and 0644 for any other.
func (f ConfigurationFile) Permissions() string {
	switch {
	case f.Mode != "":
		return f.Mode
	case f.Private:
		return "0600"
	}
	return "0644"
}

// ParseMode reads octal digits, such as 0644 or 4755.
func ParseMode(digits string) (fs.FileMode, error) {
	n, err := strconv.ParseUint(digits, 8, 32)
	if err != nil || n > 0o7777 {
		return 0, fmt.Errorf("mode '%s' is not octal digits up to 7777", digits)
	}
	mode := fs.FileMode(n & 0o777)
	for bit, flag := range map[uint64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if n&bit != 0 {
			mode |= flag
		}
	}
	return mode, nil
}

// Variant is the name of the variant.
func (m *Model) Variant() string { return m.variant }

// Groups are the names of the groups, in the variant's order.
func (m *Model) Groups() []string {
	names := make([]string, len(m.root.members))
	for i, group := range m.root.members {
		names[i] = group.name
	}
	return names
}

// Defaults are the default settings, sorted. They must not be modified.
func (m *Model) Defaults() []key.Pair { return m.defaults }

// Services are the services by name. They must not be modified.
func (m *Model) Services() map[string]Service { return m.services }

// ConfigurationFiles are the files by name. They must not be modified.
func (m *Model) ConfigurationFiles() map[string]ConfigurationFile { return m.configs }

// Metadata returns the metadata value of k: the nearest ancestor's (k
// included) whole value.
func (m *Model) Metadata(name string, k key.Key) (json.RawMessage, bool) {
	values := m.metadata[name]
	for {
		if v, ok := values[k]; ok {
			return v, true
		}
		parent, ok := k.Parent()
		if !ok {
			return nil, false
		}
		k = parent
	}
}

// MetadataAll returns every key that directly carries the metadata.
func (m *Model) MetadataAll(name string) map[key.Key]json.RawMessage {
	return maps.Clone(m.metadata[name])
}

// MetadataNames are the names of all metadata, sorted.
func (m *Model) MetadataNames() []string { return slices.Sorted(maps.Keys(m.metadata)) }

// AffectedServices is Metadata("affected-services") decoded.
func (m *Model) AffectedServices(k key.Key) []string {
	value, ok := m.Metadata(MetadataAffectedServices, k)
	if !ok {
		return nil
	}
	var names []string
	if err := json.Unmarshal(value, &names); err != nil {
		return nil // Load has checked it
	}
	return names
}

// Secret tells whether the value of k must be masked: k is a secret, lies
// below one, or has one below it. What the model does not know may be anything
// and counts as secret.
func (m *Model) Secret(k key.Key) bool {
	n := m.root
	segments := k.Segments()
	if len(segments) == 0 || segments[0] != root {
		return false
	}
	for _, name := range segments[1:] {
		if n.secret {
			return true
		}
		if n, _ = n.child(name); n == nil {
			return true
		}
	}
	return n.secret || n.hides
}

// SecretGroups returns the groups that have a secret setting.
func (m *Model) SecretGroups() []string {
	var names []string
	for _, group := range m.root.members {
		if group.node.secret || group.node.hides {
			names = append(names, group.name)
		}
	}
	slices.Sort(names)
	return names
}

// Has tells whether the variant has a group.
func (m *Model) Has(group string) bool { return m.root.has(group) }
