package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/slot"
)

// Attempt is one update that was tried on this host.
type Attempt = api.UpdateAttempt

// The steps of an attempt that decide what becomes of it; package update has others.
const (
	StepCheck    = "check"
	StepFetch    = "fetch migrations"
	StepRehearse = "rehearse migrations"
	StepValid    = "mark valid" // the last one of preparing
	StepBoot     = "boot"       // of the slot, which is not a program's
)

// harmless are the steps before the first that touches the slot.
var harmless = []string{"", StepCheck, StepFetch, StepRehearse}

// Journal is the attempts on a host, the oldest first. It survives reboots.
type Journal struct {
	Attempts []Attempt `json:"attempts"`

	path string
}

const (
	maxAttempts = 100     // in the journal; the oldest are forgotten
	maxSize     = 4 << 20 // of the journal in bytes
	maxError    = 1 << 10 // bytes of what was told, where there is little room
)

// Load reads the journal below root. One that cannot be read starts
// anew: history is worth less than that the host can be updated.
func Load(root paths.Root, log *slog.Logger) *Journal {
	j, err := Read(root)
	if err != nil {
		log.Warn("starting the journal of updates anew", "err", err)
		return &Journal{path: root.Attempts()}
	}
	return j
}

// Read is Load for those who would rather know. A journal that is not there is empty.
func Read(root paths.Root) (*Journal, error) {
	j := &Journal{path: root.Attempts()}
	text, err := durable.ReadFile(j.path, maxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return j, nil
	}
	if err == nil {
		err = json.Unmarshal(text, j)
	}
	if err != nil {
		return nil, fmt.Errorf("read journal of updates: %s: %w", j.path, err)
	}
	return j, nil
}

func (j *Journal) save() error {
	j.Attempts = j.Attempts[max(0, len(j.Attempts)-maxAttempts):]
	text, err := j.encode()
	if err != nil {
		return err
	}
	attributes := durable.Attributes{Mode: 0o644, UID: durable.Keep, GID: durable.Keep}
	if err := durable.Reclaim(durable.OS{}, j.path, text, attributes); err != nil {
		return fmt.Errorf("keep journal of updates: %w", err)
	}
	return nil
}

// encode is the journal's text, short enough to be read again: else the host
// would forget which releases failed. What it sheds is told nowhere else, but
// decides nothing; of the last attempt it goes last.
func (j *Journal) encode() ([]byte, error) {
	text, err := json.MarshalIndent(j, "", "  ")
	for i := 0; err == nil && len(text) >= maxSize && i < len(sheds); i++ {
		older := j.Attempts[:max(0, len(j.Attempts)-1)]
		for n := range older {
			sheds[i](&older[n])
		}
		if text, err = json.MarshalIndent(j, "", "  "); err == nil && len(text) >= maxSize {
			sheds[i](j.Last())
			text, err = json.MarshalIndent(j, "", "  ")
		}
	}
	return append(text, '\n'), err
}

// sheds are what attempts can do without, by how little it is missed.
var sheds = []func(*Attempt){
	shedDetails,
	shedLists,
}

// shedDetails forgets how the rehearsal went; not how it ended.
func shedDetails(a *Attempt) {
	a.Error = a.Error[:min(len(a.Error), maxError)]
	if a.Rehearsal != nil {
		a.Rehearsal.Steps, a.Rehearsal.Diff, a.Rehearsal.Warnings = nil, nil, nil
	}
}

// shedLists forgets which values did not fit; the next boot then lets none of them pass.
func shedLists(a *Attempt) {
	if a.Rehearsal != nil {
		a.Rehearsal.Violations, a.Rehearsal.Before = nil, nil
	}
}

// Last is the last attempt, or nil.
func (j *Journal) Last() *Attempt {
	if len(j.Attempts) == 0 {
		return nil
	}
	return &j.Attempts[len(j.Attempts)-1]
}

func (j *Journal) Begin(a Attempt) error {
	a.ID = 1
	if last := j.Last(); last != nil {
		a.ID = last.ID + 1
	}
	j.Attempts = append(j.Attempts, a)
	return j.save()
}

// Note changes the last attempt.
func (j *Journal) Note(now time.Time, change func(*Attempt)) error {
	return j.amend(j.Last(), now, change)
}

// NoteOpen changes the attempt whose end is not known yet.
func (j *Journal) NoteOpen(now time.Time, change func(*Attempt)) error {
	return j.amend(j.Open(), now, change)
}

// Force lets the prepared release be activated, whatever its rehearsal said.
func (j *Journal) Force(now time.Time) error {
	return j.NoteOpen(now, func(a *Attempt) { a.Forced = true })
}

func (j *Journal) amend(a *Attempt, now time.Time, change func(*Attempt)) error {
	if a == nil {
		return nil
	}
	change(a)
	a.Changed = now.UTC()
	return j.save()
}

// Settle notes what became of the last attempt that got as far as the slot, as
// what runs now and the flags on the disk show it.
func (j *Journal) Settle(now time.Time, running string, s slot.State) error {
	a := j.Open()
	if a == nil {
		return nil
	}
	state := outcome(a, running, s)
	if state == a.State {
		return nil
	}
	if state == api.AttemptFailed {
		a.Step, a.Error = StepBoot, "what booted from slot "+a.Slot+" calls itself "+running
	}
	a.State, a.Changed = state, now.UTC()
	return j.save()
}

// outcome is how far an attempt has come. The flags have the last word: they may
// have been changed by hand, or the note of a change may be lost. A slot that has
// been tried, has no try left and never booted well is one that failed: the boot
// loader went back to the other. One that runs and is not marked good may still
// fail. Until the attempt's own last step, flags are those of an earlier one.
func outcome(a *Attempt, running string, s slot.State) api.AttemptState {
	here, spare := a.Slot == s.Active.String(), s.Sets[s.Active.Other()]
	switch {
	case a.State == api.AttemptPreparing && (here || a.Step != StepValid || !spare.Valid()):
		return api.AttemptInterrupted
	case here && !s.Good():
		return a.State
	case here && a.Version != running:
		return api.AttemptFailed // the publisher gave it a wrong name; as it stays an update, it would be installed for ever
	case here, spare.Successful():
		return api.AttemptBooted
	case spare.Priority() > 0 && spare.Tries() == 0:
		return api.AttemptBootFailed
	case spare.Priority() > 0:
		return api.AttemptActivated
	case spare.Valid():
		return api.AttemptPrepared
	}
	return a.State
}

// Open is the last attempt whose end is not known yet; nil if there is none, or
// if a later one has touched the slot since.
func (j *Journal) Open() *Attempt {
	return j.latest(api.AttemptPreparing, api.AttemptPrepared, api.AttemptActivated)
}

// Staged is the attempt that has put into a slot what waits there, or boots next;
// nil if none has. Whether it is there still is for the flags to say.
func (j *Journal) Staged(in slot.Name) *Attempt {
	if a := j.latest(api.AttemptPrepared, api.AttemptActivated); a != nil && a.Slot == in.String() {
		return a
	}
	return nil
}

// Prepared is the version that is prepared and not activated, and the size of its
// images in bytes; "" if there is none.
func (j *Journal) Prepared() (version string, size int64) {
	a := j.Open()
	if a == nil || a.State != api.AttemptPrepared {
		return "", 0
	}
	for _, w := range a.Images {
		size += w.Size
	}
	return a.Version, size
}

// FellBack is the last attempt that touched the slot, if it was tried and the
// host came back to the old one; otherwise nil. A host that is running something
// else by now, whoever made it, need not be told; "" is an unknown version.
func (j *Journal) FellBack(running string) *Attempt {
	a := j.latest(api.AttemptBootFailed)
	if a == nil || running != "" && running != a.From {
		return nil
	}
	return a
}

// latest is the last attempt in one of these states, unless a later one has touched the slot.
func (j *Journal) latest(states ...api.AttemptState) *Attempt {
	for i := range slices.Backward(j.Attempts) {
		switch a := &j.Attempts[i]; {
		case slices.Contains(states, a.State):
			return a
		case !slices.Contains(harmless, a.Step):
			return nil
		}
	}
	return nil
}

// NoteHealth keeps why the version that is being tried in the running slot is
// not well, for the old one to tell after it has taken over again.
func (j *Journal) NoteHealth(now time.Time, running, blame string, s slot.State) error {
	a := j.Open()
	if a == nil || a.State == api.AttemptPreparing || a.Slot != s.Active.String() || a.Version != running {
		return nil
	}
	a.Step, a.Error, a.Changed = StepBoot, blame, now.UTC()
	return j.save()
}

// Failed tells how a release with these images failed on this host once it was
// installed, or "" if it has not, or if it has booted since.
func (j *Journal) Failed(version, variant, digest string) (how string) {
	for _, a := range j.Attempts {
		if a.Version != version || a.Variant != variant || a.Digest != digest {
			continue
		}
		switch a.State {
		case api.AttemptBootFailed:
			how = "it did not boot from slot " + a.Slot + ", as was seen on " + a.Changed.Format(time.DateOnly)
			if a.Error != "" {
				how += ": " + a.Error
			}
		case api.AttemptFailed:
			if a.Step == StepBoot {
				how = a.Error + ", as was seen on " + a.Changed.Format(time.DateOnly)
			}
		case api.AttemptBooted:
			how = ""
		}
	}
	return how
}
