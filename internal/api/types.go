// Package api defines what crosses the Unix socket beyond the reference's own
// routes: changes and their plans, origins, history, explanations and errors.
//
// The types are plain data with JSON names. The server is in api/server, the
// client in api/client. It deliberately knows no technology: no store, no HTTP.
package api

import (
	"encoding/json"
	"time"
)

// Layer is where a value comes from. A setting's effective value is that of
// the highest layer that has one: user, user-data, generated, default.
type Layer string

// The layers, from the lowest to the highest.
const (
	LayerDefault   Layer = "default"   // read from the image, never stored
	LayerGenerated Layer = "generated" // setting generators
	LayerUserData  Layer = "user-data" // user data at boot
	LayerUser      Layer = "user"      // the API
)

// Role is what a caller may do. Each role includes the ones before it.
type Role uint8

// The roles, from the weakest to the strongest.
const (
	RoleNone Role = iota
	RoleRead
	RoleWrite
	RoleAdmin
)

// Caller is the peer of a connection, as the kernel reports it, or a program
// of the suite that acts by itself (then Program is set and the rest zero).
type Caller struct {
	UID     uint32 `json:"uid"`
	GID     uint32 `json:"gid"`
	PID     int32  `json:"pid,omitempty"`
	Program string `json:"program,omitempty"`
}

// Origin tells where a value came from.
type Origin struct {
	Layer       Layer     `json:"layer"`
	Transaction string    `json:"transaction,omitempty"`
	Change      uint64    `json:"change,omitempty"`
	Caller      *Caller   `json:"caller,omitempty"`
	Time        time.Time `json:"time,omitzero"`
	Strength    Strength  `json:"strength,omitempty"` // weak, or strong where it is absent
}

// Strength says how long a value stays: one that is weak ends with the boot, as
// in the reference, where defaults and generators of a new image then fill in.
type Strength string

// The strengths. Setting a key anew makes it strong; a strong one cannot become weak.
const (
	StrengthStrong Strength = "strong"
	StrengthWeak   Strength = "weak"
)

// TransactionImport is in the origin of what was taken over from the reference.
const TransactionImport = "import"

// Imported tells whether the value was taken over from the reference, which
// does not tell where it had it from.
func (o Origin) Imported() bool {
	return o.Transaction == TransactionImport && o.Caller != nil && o.Caller.Program != ""
}

// Edit is one key of a change: its effective value before and after, absent
// where there is none. Secret values are masked.
type Edit struct {
	Key    string          `json:"key"`
	Layer  Layer           `json:"layer"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// HistoryEntry is one commit.
type HistoryEntry struct {
	ID          uint64    `json:"id"`
	Time        time.Time `json:"time"`
	Caller      Caller    `json:"caller"`
	Transaction string    `json:"transaction,omitempty"`
	Change      uint64    `json:"change,omitempty"`
	Reason      string    `json:"reason,omitempty"` // why, when nobody asked: "try of change 7 expired"
	Edits       []Edit    `json:"edits"`
}

// ChangeRequest asks for a change or a plan. Settings, Pairs, Unset and
// Transaction may be combined; they are committed together or not at all.
type ChangeRequest struct {
	Settings    json.RawMessage `json:"settings,omitempty"`    // a settings document without the outer member
	Pairs       []string        `json:"pairs,omitempty"`       // key=value, typed by the model
	Unset       []string        `json:"unset,omitempty"`       // keys; a key above others unsets all below it
	Transaction string          `json:"transaction,omitempty"` // pending settings to commit as well
	Layer       Layer           `json:"layer,omitempty"`       // default user
	Apply       []string        `json:"apply,omitempty"`       // also apply these keys, changed or not
	ApplyAll    bool            `json:"apply-all,omitempty"`   // also render every file and affect every service
	Try         string          `json:"try,omitempty"`         // a duration such as 5m: undone unless confirmed in time
	Keep        bool            `json:"keep,omitempty"`        // do not undo when applying fails
}

// State is how far a change has come.
type State string

// The states of a change. Trying is applied but not yet confirmed; the last
// three are final.
const (
	StatePlanned  State = "planned"
	StateApplying State = "applying"
	StateTrying   State = "trying"
	StateDone     State = "done"
	StateFailed   State = "failed" // applying failed and the settings were kept
	StateUndone   State = "undone"
)

// Final tells whether a change in this state will change no more.
func (s State) Final() bool { return s == StateDone || s == StateFailed || s == StateUndone }

// Settled tells whether a change in this state does nothing more by itself: it
// is over, or waits only for its confirmation.
func (s State) Settled() bool { return s.Final() || s == StateTrying }

// Change is one change of settings and what came of it.
type Change struct {
	ID       uint64    `json:"id"`
	State    State     `json:"state"`
	Caller   Caller    `json:"caller"`
	Created  time.Time `json:"created"`
	Finished time.Time `json:"finished,omitzero"`
	Keys     []string  `json:"keys"` // committed, sorted
	Plan     Plan      `json:"plan"`
	Tasks    []Task    `json:"tasks"`
	Error    *Error    `json:"error,omitempty"`
	Try      *Try      `json:"try,omitempty"`
	Undoes   uint64    `json:"undoes,omitempty"`    // the change that this one reverts
	UndoneBy uint64    `json:"undone-by,omitempty"` // the change that reverted this one
	Reason   string    `json:"reason,omitempty"`    // why the suite itself started or ended it
}

// Try says until when a change waits for its confirmation.
type Try struct {
	Until     time.Time `json:"until"`
	Confirmed bool      `json:"confirmed"`
}

// Plan is what a change will do, in this order.
type Plan struct {
	Edits    []Edit       `json:"edits"`
	Files    []FileChange `json:"files"`
	Restarts []Restart    `json:"restarts"`
	Warnings []string     `json:"warnings,omitempty"`
}

// FileAction is what happens to a file.
type FileAction string

// The actions on a file. Attributes means that only mode or owner change.
const (
	FileCreate     FileAction = "create"
	FileUpdate     FileAction = "update"
	FileAttributes FileAction = "attributes"
	FileUnchanged  FileAction = "unchanged"
)

// FileChange is one rendered file.
type FileChange struct {
	Name   string     `json:"name"` // of the configuration file in the model
	Path   string     `json:"path"` // on the host
	Action FileAction `json:"action"`
	Mode   string     `json:"mode"`             // octal digits
	Diff   string     `json:"diff,omitempty"`   // unified; empty where Hidden
	Hidden bool       `json:"hidden,omitempty"` // it holds secrets
	Edited bool       `json:"edited,omitempty"` // its text was changed by hand since it was last written

	// ModeEdited: its mode, and nothing else, was changed by hand since it was last written.
	ModeEdited bool `json:"mode-edited,omitempty"`
}

// Restart is one service whose restart commands will run.
type Restart struct {
	Service  string   `json:"service"`
	Commands []string `json:"commands"`
	Because  []string `json:"because"` // the changed keys that affect it, sorted
}

// TaskState is how far a task has come.
type TaskState string

// The states of a task.
const (
	TaskPending TaskState = "pending"
	TaskDoing   TaskState = "doing"
	TaskDone    TaskState = "done"
	TaskFailed  TaskState = "failed"
	TaskSkipped TaskState = "skipped"
)

// Task is one step of a change: a file written, a command run, an undo.
type Task struct {
	Kind     string    `json:"kind"` // write, reload, restart, undo
	Summary  string    `json:"summary"`
	State    TaskState `json:"state"`
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
	Output   string    `json:"output,omitempty"` // the end of what a command printed
	Error    string    `json:"error,omitempty"`
}

// Event is one step in the life of a change, as sent to watchers.
type Event struct {
	Change Change `json:"change"`
	Task   *int   `json:"task,omitempty"` // index of the task that moved
}

// Member is one of the settings of a group; <NAME> stands for any name.
type Member struct {
	Name    string `json:"name"`
	Summary string `json:"summary,omitempty"` // the first sentence of its description
}

// Explanation is all that is known of one key.
type Explanation struct {
	Key         string            `json:"key"`
	Type        string            `json:"type"` // the scalar type's name, or object, map, array of T
	Description string            `json:"description,omitempty"`
	Rule        string            `json:"rule,omitempty"`   // what is accepted, in words
	Values      []json.RawMessage `json:"values,omitempty"` // all that are accepted, where they are few
	Examples    []json.RawMessage `json:"examples,omitempty"`
	Default     json.RawMessage   `json:"default,omitempty"`
	Secret      bool              `json:"secret,omitempty"`
	Children    []string          `json:"children,omitempty"` // members of an object
	Members     []Member          `json:"members,omitempty"`  // the same, and what they are
	Services    []string          `json:"affected-services,omitempty"`
	Files       []string          `json:"files,omitempty"`
	Generator   json.RawMessage   `json:"setting-generator,omitempty"`
	Value       json.RawMessage   `json:"value,omitempty"` // effective, filled by the server
	Origin      *Origin           `json:"origin,omitempty"`
}
