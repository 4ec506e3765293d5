package slot

import "fmt"

// Refusal is returned when a change does not fit the flags as they are. Its
// text is fixed: scripts of the reference's users read it.
type Refusal struct {
	Reason   Reason
	Disk     string // path, filled in by Disk.Change
	Inactive Word
}

// Reason is why a change is refused.
type Reason string

// The reasons.
const (
	NoInactive     Reason = "is not available"                      // there is only one set
	AlreadyMarked  Reason = "is already marked for upgrade"         // or is the former system
	NotValid       Reason = "has not been marked valid for upgrade" // nothing was written there
	CannotRollBack Reason = "is not valid to roll back to"          // it would not boot
)

func (r *Refusal) Error() string {
	if r.Reason == CannotRollBack {
		return fmt.Sprintf("Inactive partition %s (priority=%d tries_left=%d successful=%t)",
			r.Reason, r.Inactive.Priority(), r.Inactive.Tries(), r.Inactive.Successful())
	}
	return fmt.Sprintf("Inactive partition %s %s", r.Disk, r.Reason)
}

// Hint is what the caller can do about it, or empty.
func (r *Refusal) Hint() string {
	return map[Reason]string{
		NoInactive:     "this disk has one set of partitions; it cannot be updated in place",
		AlreadyMarked:  "cancel-upgrade takes its priority, clear-inactive all its flags",
		NotValid:       "write an update there first; mark-inactive-valid says that it is complete",
		CannotRollBack: "the inactive set holds nothing that has booted here",
	}[r.Reason]
}
