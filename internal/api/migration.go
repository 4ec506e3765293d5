package api

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Migration is the report of one time that the settings were carried from one
// version of the image to another, or that this was rehearsed. Values that are
// secret are masked in it.
type Migration struct {
	Rehearsal bool           `json:"rehearsal,omitempty"`
	History   uint64         `json:"history,omitempty"` // the newest entry of the settings' history that a rehearsal saw
	State     MigrationState `json:"state"`
	From      string         `json:"from"`
	To        string         `json:"to"`
	Way       MigrationWay   `json:"way,omitempty"`
	Started   time.Time      `json:"started"`
	Took      time.Duration  `json:"took"` // nanoseconds
	Error     *Error         `json:"error,omitempty"`

	Steps      []MigrationStep `json:"steps,omitempty"`
	Diff       []Edit          `json:"diff,omitempty"`       // in the order of layers and keys
	Violations []Misfit        `json:"violations,omitempty"` // what the new model refuses
	Before     []Misfit        `json:"before,omitempty"`     // what the old model refused already
	Unchecked  string          `json:"unchecked,omitempty"`  // why no model judged the result
	Missing    []string        `json:"missing,omitempty"`    // restrictions that the kernel lacks
	Warnings   []string        `json:"warnings,omitempty"`
	Kept       string          `json:"kept,omitempty"` // where the settings of From are kept
}

// What is kept of a report: of the diff so many edits, one may touch every
// setting, and so many bytes of values; of the migrations' texts so many bytes,
// and so many of one.
const (
	maxKeptDiff     = 200
	maxKeptValues   = 256 << 10
	maxKeptMessages = 256 << 10
	maxKeptMessage  = 4 << 10
)

// Trimmed is the report as it is kept: without most of what is long.
func (m Migration) Trimmed() Migration {
	if n := m.keptDiff(); n < len(m.Diff) {
		m.Warnings = append(m.Warnings[:len(m.Warnings):len(m.Warnings)], fmt.Sprintf("of %d changed settings, %d are listed", len(m.Diff), n))
		m.Diff = m.Diff[:n:n]
	}
	m.Steps = slices.Clone(m.Steps)
	limit := min(maxKeptMessage, maxKeptMessages/max(len(m.Steps), 1))
	for i := range m.Steps {
		m.Steps[i].Message, m.Steps[i].Error = shortened(m.Steps[i].Message, limit), shortened(m.Steps[i].Error, limit)
	}
	if m.Error != nil {
		e := *m.Error
		e.Message = shortened(e.Message, maxKeptMessage)
		m.Error = &e
	}
	return m
}

// keptDiff is how many edits are kept.
func (m Migration) keptDiff() (n int) {
	size := 0
	for _, e := range m.Diff[:min(len(m.Diff), maxKeptDiff)] {
		if size += len(e.Before) + len(e.After); size > maxKeptValues {
			break
		}
		n++
	}
	return n
}

// shortened is the beginning and the end of a text, of about limit bytes together.
func shortened(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit/2]+" … "+text[len(text)-limit/2:], "")
}

// OK tells whether the settings arrived, or would.
func (m *Migration) OK() bool { return m.State == MigrationDone }

// MigrationState is how a migration ended.
type MigrationState string

// The states.
const (
	MigrationDone   MigrationState = "done"
	MigrationFailed MigrationState = "failed" // the settings are as they were
)

// MigrationWay is how the settings came to the other version.
type MigrationWay string

// The ways.
const (
	WayForward  MigrationWay = "forward"  // by migrations
	WayBackward MigrationWay = "backward" // by migrations
	WayKept     MigrationWay = "kept"     // from the file that the other version had left
)

// MigrationStep is one migration that was run.
type MigrationStep struct {
	Name    string        `json:"name"`
	SHA256  string        `json:"sha256"`
	Took    time.Duration `json:"took"`          // nanoseconds
	CPU     time.Duration `json:"cpu,omitempty"` // nanoseconds
	Message string        `json:"message,omitempty"`
	Error   string        `json:"error,omitempty"`

	Reference bool `json:"reference,omitempty"` // it keeps the reference's contract
}

// Misfit is a stored value that a model refuses.
type Misfit struct {
	Key     string `json:"key"`
	Layer   Layer  `json:"layer"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}
