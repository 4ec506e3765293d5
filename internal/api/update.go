package api

import "time"

// UpdateState is how far an update of the host has come, in the words of the
// reference's clients.
type UpdateState string

// The states of an update.
const (
	UpdateIdle      UpdateState = "Idle"      // nothing is offered
	UpdateAvailable UpdateState = "Available" // a release is chosen
	UpdateStaged    UpdateState = "Staged"    // it is in the spare slot
	UpdateReady     UpdateState = "Ready"     // it boots next
)

// UpdateStatus is the answer of GET /updates/status. Its members, their names
// and their order are the reference's, which operators of fleets parse.
type UpdateStatus struct {
	State     UpdateState      `json:"update_state"`
	Available []string         `json:"available_updates"` // versions, the newest first
	Chosen    *UpdateImage     `json:"chosen_update"`
	Active    *UpdatePartition `json:"active_partition"`
	Staging   *UpdatePartition `json:"staging_partition"`
	Command   *UpdateCommand   `json:"most_recent_command"`
}

// UpdateImage is a release for one kind of host.
type UpdateImage struct {
	Arch    string `json:"arch"`
	Version string `json:"version"`
	Variant string `json:"variant"`
}

// UpdatePartition is a slot and what is in it.
type UpdatePartition struct {
	Image      *UpdateImage `json:"image"`
	NextToBoot bool         `json:"next_to_boot"`
}

// The commands of an update.
const (
	UpdateRefresh    = "refresh"
	UpdatePrepare    = "prepare"
	UpdateActivate   = "activate"
	UpdateDeactivate = "deactivate"
)

// How a command ended.
const (
	UpdateSuccess = "Success"
	UpdateFailed  = "Failed"
)

// UpdateCommand is a command that has ended. ExitStatus and Stderr are always
// there, and ExitStatus is never negative: clients rely on both.
type UpdateCommand struct {
	Type       string `json:"cmd_type"`
	Status     string `json:"cmd_status"`
	Timestamp  string `json:"timestamp"` // of its end, RFC 3339; see [Timestamp]
	ExitStatus int    `json:"exit_status"`
	Stderr     string `json:"stderr"`
}

// Timestamp is how an [UpdateCommand] tells a time: in UTC, to the nanosecond.
func Timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z") }

// UpdateOffer is what a repository offers a host, and why. Its members are
// snake_case, as updog prints them.
type UpdateOffer struct {
	Variant     string          `json:"variant"`
	Arch        string          `json:"arch"`
	Version     string          `json:"version"` // the running one
	Seed        uint32          `json:"seed"`
	Lock        string          `json:"version_lock"`
	IgnoreWaves bool            `json:"ignore_waves"`
	Now         time.Time       `json:"now"`
	Chosen      *string         `json:"chosen"`          // version; null: no release is offered
	Releases    []UpdateRelease `json:"releases"`        // the newest first
	Others      int             `json:"for_other_hosts"` // releases that are not listed
}

// NoWay is why no migrations lead to the release that is offered; "" if they do,
// or if none is offered.
func (o *UpdateOffer) NoWay() string {
	if o != nil {
		for _, r := range o.Releases {
			if r.Chosen {
				return r.NoWay
			}
		}
	}
	return ""
}

// UpdateRelease is one release of an offer.
type UpdateRelease struct {
	Variant    string         `json:"variant"`
	Arch       string         `json:"arch"`
	Version    string         `json:"version"`
	MaxVersion string         `json:"max_version"`
	Chosen     bool           `json:"chosen"`
	Reasons    []UpdateReason `json:"reasons"` // why it is not chosen
	Wave       *UpdateWave    `json:"wave"`    // null: it has none
	Images     []UpdateTarget `json:"images"`
	Missing    *int64         `json:"missing_bytes,omitempty"` // to fetch with what this host has of the images; nil: nobody looked
	Migrations []string       `json:"migrations"`
	NoWay      string         `json:"migrations_error,omitempty"` // why there is no chain of them
}

// UpdateReason says why a release is not offered. Codes are never renamed; see docs/updates.md.
type UpdateReason struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// UpdateWave is a host's place among the waves of a release.
type UpdateWave struct {
	Number int        `json:"number"` // from 1
	Of     int        `json:"of"`
	Due    *time.Time `json:"due"` // when this host is; null: always
	Ready  bool       `json:"ready"`
}

// UpdateTarget is a file of a release and its size in bytes, as it is fetched.
type UpdateTarget struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
}

// UpdateWork is how far a command has come that is under way.
type UpdateWork struct {
	Command string    `json:"command"`
	Version string    `json:"version,omitempty"` // that is being installed
	Started time.Time `json:"started"`
	Changed time.Time `json:"changed"` // when this was written
	Step    string    `json:"step,omitempty"`
	Since   time.Time `json:"since,omitzero"`   // when the step began
	Target  string    `json:"target,omitempty"` // the file of the release that is being fetched
	Phase   string    `json:"phase,omitempty"`  // look, write, verify, or prove again what an earlier command wrote
	Fetched int64     `json:"fetched"`          // bytes of the target
	Size    int64     `json:"size"`             // of the target, in bytes
	Written int64     `json:"written"`          // bytes of the image compared and written, or read back; when proving, size and total count these
	Differ  int64     `json:"differ"`           // bytes of those that had to be written
	Reused  int64     `json:"reused"`           // bytes of the image that are not fetched because the host has them
	Before  int64     `json:"before"`           // bytes of the targets before this one
	Total   int64     `json:"total"`            // bytes of all targets
}

// Updates is the answer of GET /updates: all that is known of this host's updates.
type Updates struct {
	Status  *UpdateStatus  `json:"status"`  // null: no command was ever run
	Running *UpdateWork    `json:"running"` // the command that is under way
	Last    *UpdateCommand `json:"last"`    // the command that ended last, a deactivate too

	Ended map[string]UpdateCommand `json:"ended,omitempty"` // how each command ended when it was last run, by its type

	Offer    *UpdateOffer   `json:"offer"` // as the last successful refresh found it
	Next     UpdateNext     `json:"next"`
	Holds    []RebootHold   `json:"holds"`               // what holds a reboot back now
	Problem  string         `json:"problem,omitempty"`   // why the slots cannot be seen, or the record cannot be read
	Attempt  *UpdateAttempt `json:"attempt,omitempty"`   // that put into the spare slot what is there now, ready to boot
	FellBack *UpdateAttempt `json:"fell_back,omitempty"` // that was tried, and from which the host came back
	History  uint64         `json:"history,omitempty"`   // the newest entry of the settings' history: a rehearsal that saw an older one is out of date
}

// Rehearsal is how the settings took the release in the spare slot; nil if
// nobody tried, or if they do not change.
func (u *Updates) Rehearsal() *Migration {
	if u.Attempt == nil {
		return nil
	}
	return u.Attempt.Rehearsal
}

// OutOfDate tells whether settings were changed since the rehearsal.
func (u *Updates) OutOfDate() bool {
	r := u.Rehearsal()
	return r != nil && r.History != u.History
}

// UpdateEvent is sent to those who watch updates, whenever something moves.
type UpdateEvent struct {
	Running *UpdateWork    `json:"running"`
	State   UpdateState    `json:"state,omitempty"`
	Last    *UpdateCommand `json:"last"`
}

// AttemptState is what became of an update that was tried. States are never renamed.
type AttemptState string

// The states of an attempt.
const (
	AttemptPreparing   AttemptState = "preparing"   // the slot is being written
	AttemptPrepared    AttemptState = "prepared"    // it is written and valid
	AttemptActivated   AttemptState = "activated"   // it boots next
	AttemptBooted      AttemptState = "booted"      // it was seen running
	AttemptFailed      AttemptState = "failed"      // at a step, with an error
	AttemptInterrupted AttemptState = "interrupted" // the process or the power went while preparing
	AttemptBootFailed  AttemptState = "boot-failed" // it was tried, and the host came back to the old slot
)

// UpdateAttempt is an update that was tried on this host. Its members are those
// that updog history prints.
type UpdateAttempt struct {
	ID      int          `json:"id"`
	Version string       `json:"version"`
	Variant string       `json:"variant"`
	Digest  string       `json:"digest"` // of its images: the same version may be published again, mended
	From    string       `json:"from"`   // version that ran
	Slot    string       `json:"slot"`   // A or B, that it was written to
	Started time.Time    `json:"started"`
	Changed time.Time    `json:"changed"` // of state or step
	State   AttemptState `json:"state"`
	Step    string       `json:"step"`            // the last one that was begun
	Error   string       `json:"error,omitempty"` // why it failed

	Images []UpdateWritten `json:"images,omitempty"` // that are in their place
	Proved time.Time       `json:"proved,omitzero"`  // when they were last read back, and were right

	Rehearsal *Migration `json:"rehearsal,omitempty"` // of the migration at its first boot
	Forced    bool       `json:"forced,omitempty"`    // whatever the rehearsal said
}

// How an image came here. These are never renamed.
const (
	ByDelta = "delta"
	ByWhole = "whole"
)

// UpdateWritten is an image that an attempt has brought into its partition. Sizes are in bytes.
type UpdateWritten struct {
	Image   string `json:"image"`              // root, boot or hash
	Way     string `json:"way"`                // delta or whole
	Whole   int64  `json:"whole"`              // to fetch, if it is fetched whole
	Fetched int64  `json:"fetched"`            // by this attempt, the index included
	Reused  int64  `json:"reused"`             // of the image itself: what was here already
	Written int64  `json:"written"`            // of the image itself: what differed on the disk
	Size    int64  `json:"size,omitempty"`     // of the image itself
	SHA256  string `json:"sha256,omitempty"`   // of the image itself, in hexadecimal digits
	NoDelta string `json:"no_delta,omitempty"` // why the whole was fetched although there is an index
}

// UpdateNext is what happens next by itself, when, and why not sooner.
type UpdateNext struct {
	Mode   string        `json:"mode"`             // updates.automatic.mode
	Action string        `json:"action"`           // refresh, prepare, activate or reboot; "" nothing
	At     time.Time     `json:"at,omitzero"`      // when; a time that has come means as soon as the timer starts it
	Why    string        `json:"why"`              // for people
	Window *UpdateWindow `json:"window,omitempty"` // that is open, or opens next; none: any time will do
}

// UpdateWindow is when a host may change what boots next, and reboot.
type UpdateWindow struct {
	Opens  time.Time `json:"opens"`
	Closes time.Time `json:"closes"`
}

// UpdateReboot is the action that [UpdateNext] has beside the commands.
const UpdateReboot = "reboot"

// How far a host updates by itself: the setting updates.automatic.mode.
const (
	AutomaticOff      = "off"
	AutomaticPrepare  = "prepare"
	AutomaticActivate = "activate"
	AutomaticReboot   = "reboot"
)

// RebootHold is something that holds a reboot back.
type RebootHold struct {
	Kind string `json:"kind"` // inhibitor, change, update or window
	Who  string `json:"who"`
	Why  string `json:"why"`
}

// The modes of a reboot: how much it respects.
const (
	RebootPlain     = ""          // as the reference: inhibitors
	RebootCareful   = "careful"   // and changes and updates that are under way
	RebootAutomatic = "automatic" // and the window
	RebootForce     = "force"     // nothing
)
