// Package model is the typed settings model: groups, variants, defaults, metadata.
package model

import (
	"encoding/json"
	"errors"
	"io/fs"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
)

var errStub = errors.New("stub")

// Model is the compiled model of one variant. It is immutable and safe for concurrent use.
type Model struct{}

// Load reads variants/NAME.toml and the groups it names (models/GROUP/) from share.
func Load(share fs.FS, variant string) (*Model, error) { return nil, errStub }

// Variants lists the names of the variants in share.
func Variants(share fs.FS) ([]string, error) { return nil, errStub }

// Variant is the name of the variant.
func (m *Model) Variant() string { return "" }

// ParseJSON validates a settings document (no outer member) and flattens it to sorted pairs. The error is a *Error.
func (m *Model) ParseJSON(doc []byte) ([]key.Pair, error) { return nil, errStub }

// ParseTree does the same for a decoded document (map[string]any, []any, string, bool, json.Number/int64/float64, nil).
func (m *Model) ParseTree(doc map[string]any) ([]key.Pair, error) { return nil, errStub }

// ParsePairs types key=value strings by the model; "settings." is optional. The error is a *Error.
func (m *Model) ParsePairs(pairs []string) ([]key.Pair, error) { return nil, errStub }

// Check says whether a stored value still fits the model.
func (m *Model) Check(p key.Pair) error { return errStub }

// Resolve finds the key that a user means: with or without "settings.". It fails with a *Error naming the nearest key.
func (m *Model) Resolve(text string) (key.Key, error) { return "", errStub }

// Secret tells whether the value of k must be masked; also for keys below and above a secret leaf's list.
func (m *Model) Secret(k key.Key) bool { return false }

// SecretGroups returns the groups that have a secret setting.
func (m *Model) SecretGroups() []string { return nil }

// Explain describes a key or a group; everything but the live value.
func (m *Model) Explain(k key.Key) (*api.Explanation, error) { return nil, errStub }

// Keys lists every key pattern of the model, for completion and documentation; map members appear as <NAME>.
func (m *Model) Keys() []string { return nil }

// Schema is the JSON Schema 2020-12 of the settings document, self-contained.
func (m *Model) Schema() json.RawMessage { return nil }

// Defaults are the default settings, sorted.
func (m *Model) Defaults() []key.Pair { return nil }

// Service is a service of the model.
type Service struct {
	ConfigurationFiles []string `json:"configuration-files" toml:"configuration-files"`
	RestartCommands    []string `json:"restart-commands" toml:"restart-commands"`
}

// ConfigurationFile is a file that is rendered. Owner is "user:group" or numbers, beyond the reference.
type ConfigurationFile struct {
	Path         string `json:"path" toml:"path"`
	TemplatePath string `json:"template-path" toml:"template-path"`
	Mode         string `json:"mode,omitempty" toml:"mode"`
	Owner        string `json:"owner,omitempty" toml:"owner"`
}

// Services and ConfigurationFiles must not be modified.
func (m *Model) Services() map[string]Service                     { return nil }
func (m *Model) ConfigurationFiles() map[string]ConfigurationFile { return nil }

// Metadata returns the metadata value of k: the nearest ancestor's (k included) whole value.
func (m *Model) Metadata(name string, k key.Key) (json.RawMessage, bool) { return nil, false }

// MetadataAll returns every key that directly carries the metadata.
func (m *Model) MetadataAll(name string) map[key.Key]json.RawMessage { return nil }

// AffectedServices is Metadata("affected-services") decoded.
func (m *Model) AffectedServices(k key.Key) []string { return nil }

// Violation is one fault of a document.
type Violation struct {
	Key     string // where, e.g. settings.ntp.time-servers[0]
	Type    string // the expected type's name
	Message string // the rule, as the reference words it where it has words
	Hint    string // "did you mean …", an example
	Line    int    // 1-based position in the document; 0 unknown
	Column  int
	Unknown bool // the key does not exist in the model
}

// Error is all faults of one document, in document order, at least one.
type Error struct{ Violations []Violation }

func (e *Error) Error() string { return "" }

// API turns the first violation into an api.Error (code, key, hint).
func (e *Error) API() *api.Error { return nil }
