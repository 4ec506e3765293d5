package api

import (
	"encoding/json"
	"time"
)

// Boot is the report of one boot: what became of the settings, phase by phase.
// It holds no values, so that it holds no secrets.
type Boot struct {
	ID       uint64      `json:"id"`      // ascending from 1
	BootID   string      `json:"boot-id"` // the kernel's, /proc/sys/kernel/random/boot_id
	PID      int         `json:"pid"`     // of the program that wrote it last
	Variant  string      `json:"variant,omitempty"`
	Version  string      `json:"version,omitempty"` // of the suite
	State    BootState   `json:"state"`
	Started  time.Time   `json:"started"`
	Finished time.Time   `json:"finished,omitzero"`
	Phases   []BootPhase `json:"phases"`
}

// BootState is how a boot, or one of its phases, went.
type BootState string

// The states. Interrupted is what readers make of a boot that is running
// although its program is gone.
const (
	BootRunning     BootState = "running"
	BootDone        BootState = "done"
	BootSkipped     BootState = "skipped"     // a phase that had nothing to do
	BootDegraded    BootState = "degraded"    // it went on without something, which is named
	BootFailed      BootState = "failed"      // the boot stops before it is configured
	BootInterrupted BootState = "interrupted" // power, a crash or a signal ended it
)

// worse orders the states that a boot takes over from its phases.
var worse = map[BootState]int{BootDegraded: 1, BootFailed: 2}

// Worst is the worse of two states; skipped and done are as good as each other.
func (s BootState) Worst(other BootState) BootState {
	if worse[other] > worse[s] {
		return other
	}
	return s
}

// The names of the phases, in their order.
const (
	PhaseUserData   = "user-data"
	PhaseCommit     = "commit"
	PhaseGenerators = "generators"
	PhaseApply      = "apply"
)

// BootPhase is one step of a boot.
type BootPhase struct {
	Name      string         `json:"name"`
	Program   string         `json:"program"` // the name that it was called by
	State     BootState      `json:"state"`
	Started   time.Time      `json:"started"`
	Finished  time.Time      `json:"finished,omitzero"`
	Summary   string         `json:"summary,omitempty"`
	Error     *Error         `json:"error,omitempty"`
	Change    uint64         `json:"change,omitempty"`    // the change that it made: GET /changes/{id}
	Documents []BootDocument `json:"documents,omitempty"` // of user data
	Settings  []BootSetting  `json:"settings,omitempty"`
	Files     int            `json:"files,omitempty"`    // written
	Restarts  int            `json:"restarts,omitempty"` // restart commands run
	Warnings  []string       `json:"warnings,omitempty"`
}

// BootDocument is what a provider of user data had.
type BootDocument struct {
	Provider string        `json:"provider"` // such as local-user-data
	Source   string        `json:"source,omitempty"`
	State    BootState     `json:"state"` // done, skipped (nothing there), degraded (parts of it), failed
	Bytes    int           `json:"bytes,omitempty"`
	Took     time.Duration `json:"took"`             // nanoseconds
	Reason   string        `json:"reason,omitempty"` // why it was skipped or failed
	Problems []Problem     `json:"problems,omitempty"`
}

// BootSetting is what became of one setting.
type BootSetting struct {
	Key    string        `json:"key"`
	From   string        `json:"from"`  // the provider, or the generator's command line
	State  BootState     `json:"state"` // done, skipped, failed
	Reason string        `json:"reason,omitempty"`
	Took   time.Duration `json:"took,omitempty"`   // nanoseconds
	Stderr string        `json:"stderr,omitempty"` // the end of what the generator said
}

// Severity is how bad a problem is.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"   // the boot refuses the document
	SeverityWarning Severity = "warning" // it takes it, but somebody should look
)

// Problem is one fault of a settings document.
type Problem struct {
	Severity Severity `json:"severity"`
	Code     Code     `json:"code"`
	Key      string   `json:"key,omitempty"`
	Line     int      `json:"line,omitempty"`   // 1-based; 0 unknown
	Column   int      `json:"column,omitempty"` // 1-based, in characters
	Type     string   `json:"type,omitempty"`   // what was expected
	Message  string   `json:"message"`
	Hint     string   `json:"hint,omitempty"`
}

// LintResult is all that is wrong with a settings document.
type LintResult struct {
	Variant  string    `json:"variant"`  // whose model judged it
	Settings int       `json:"settings"` // how many settings it has
	Problems []Problem `json:"problems"` // in the document's order
}

// OK tells whether a boot takes the document.
func (r LintResult) OK() bool {
	for _, p := range r.Problems {
		if p.Severity == SeverityError {
			return false
		}
	}
	return true
}

// Generator is the metadata setting-generator of a setting.
type Generator struct {
	Command         string   `json:"command"`
	Strength        string   `json:"strength,omitempty"`          // strong (default) or weak
	SkipIfPopulated *bool    `json:"skip-if-populated,omitempty"` // default true
	Depth           int      `json:"depth,omitempty"`             // levels below the key at which values are set
	Timeout         string   `json:"timeout,omitempty"`           // a duration; default that of the variant
	Needs           []string `json:"needs,omitempty"`             // keys that must be generated before
}

// UnmarshalJSON reads both forms: a command line, or a table.
func (g *Generator) UnmarshalJSON(text []byte) error {
	if err := json.Unmarshal(text, &g.Command); err == nil {
		return nil
	}
	type table Generator
	return json.Unmarshal(text, (*table)(g))
}
