package health

import (
	"slices"
	"time"
)

// State is how a check, or all of them, came out. States are never renamed.
type State string

// The states.
const (
	Good    State = "good"
	Warned  State = "warned"  // good all the same, but somebody should look
	Bad     State = "bad"     // the boot is not good
	Skipped State = "skipped" // there was nothing to look at
)

// Result is what a check came to.
type Result struct {
	Name    string        `json:"name"`
	State   State         `json:"state"`
	Message string        `json:"message,omitempty"`
	Output  string        `json:"output,omitempty"` // the end of what an executable printed
	Took    time.Duration `json:"took"`             // nanoseconds

	final bool // asking again does not help
}

// Report is a judgement of one boot.
type Report struct {
	BootID   string    `json:"boot-id"` // the kernel's
	Version  string    `json:"version"` // of the image that booted
	Slot     string    `json:"slot,omitempty"`
	State    State     `json:"state"` // good or bad
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	Rounds   int       `json:"rounds"` // how often the checks were asked
	Checks   []Result  `json:"checks"`
	Decision string    `json:"decision,omitempty"` // what a bad report led to, and why
}

// Blame is one line that tells why a report is bad.
func (r Report) Blame() string {
	text := ""
	for _, c := range r.Checks {
		if c.State != Bad {
			continue
		}
		if text != "" {
			text += "; "
		}
		text += c.Name + ": " + c.Message
	}
	return text
}

// hopeless tells whether something is bad that asking again does not mend.
func hopeless(results []Result) bool {
	return slices.ContainsFunc(results, func(r Result) bool { return r.State == Bad && r.final })
}

// conclude is good unless a check is bad.
func conclude(results []Result) State {
	for _, r := range results {
		if r.State == Bad {
			return Bad
		}
	}
	return Good
}
