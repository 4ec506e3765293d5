package update

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
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// State is what became of an attempt. States are never renamed.
type State string

// The states.
const (
	Preparing   State = "preparing"   // the slot is being written
	Prepared    State = "prepared"    // it is written and valid
	Activated   State = "activated"   // it boots next
	Booted      State = "booted"      // it was seen running
	Failed      State = "failed"      // at a step, with an error
	Interrupted State = "interrupted" // the process or the power went while preparing
	BootFailed  State = "boot-failed" // it was tried, and the host came back to the old slot
)

// Attempt is one update that was tried on this host.
type Attempt struct {
	ID      int       `json:"id"`
	Version string    `json:"version"`
	Variant string    `json:"variant"`
	Digest  string    `json:"digest"` // of its images: the same version may be published again, mended
	From    string    `json:"from"`   // version that ran
	Slot    string    `json:"slot"`   // A or B, that it was written to
	Started time.Time `json:"started"`
	Changed time.Time `json:"changed"` // of state or step
	State   State     `json:"state"`
	Step    string    `json:"step"`            // the last one that was begun
	Error   string    `json:"error,omitempty"` // why it failed
	Images  []Written `json:"images,omitempty"`
	Proved  time.Time `json:"proved,omitzero"` // when the images were last read back, and were right

	Rehearsal *api.Migration `json:"rehearsal,omitempty"` // of the migration at its first boot
	Forced    bool           `json:"forced,omitempty"`    // whatever the rehearsal said
}

// Written is an image that an attempt has brought into its partition.
type Written = api.UpdateWritten

// How an image came here. These are never renamed.
const (
	ByDelta = "delta"
	Whole   = "whole"
)

// Journal is the attempts on a host, the oldest first. It survives reboots.
type Journal struct {
	Attempts []Attempt `json:"attempts"`

	path string
}

const (
	maxAttempts    = 100 // in the journal; the oldest are forgotten
	maxJournalSize = 4 << 20
	maxError       = 1 << 10 // bytes of what was told, where there is little room
)

// LoadJournal reads the journal below root. One that cannot be read starts
// anew: history is worth less than that the host can be updated.
func LoadJournal(root paths.Root, log *slog.Logger) *Journal {
	j := &Journal{path: root.Attempts()}
	text, err := durable.ReadFile(j.path, maxJournalSize)
	if err == nil {
		err = json.Unmarshal(text, j)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("journal of updates cannot be read, starting anew", "path", j.path, "err", err)
		j.Attempts = nil
	}
	return j
}

func (j *Journal) save() error {
	j.Attempts = j.Attempts[max(0, len(j.Attempts)-maxAttempts):]
	text, err := j.encode()
	if err != nil {
		return err
	}
	attributes := durable.Attributes{Mode: 0o644, UID: durable.Keep, GID: durable.Keep}
	if err := durable.WriteFile(durable.OS{}, j.path, text, attributes); err != nil {
		return fmt.Errorf("keep journal of updates: %w", err)
	}
	return nil
}

// encode is the journal's text, short enough to be read again: else the host
// would forget which releases failed. What it sheds is told nowhere else, but
// decides nothing; of the last attempt it goes last.
func (j *Journal) encode() ([]byte, error) {
	text, err := json.MarshalIndent(j, "", "  ")
	for i := 0; err == nil && len(text) >= maxJournalSize && i < len(sheds); i++ {
		older := j.Attempts[:max(0, len(j.Attempts)-1)]
		for n := range older {
			sheds[i](&older[n])
		}
		if text, err = json.MarshalIndent(j, "", "  "); err == nil && len(text) >= maxJournalSize {
			sheds[i](j.Last())
			text, err = json.MarshalIndent(j, "", "  ")
		}
	}
	return append(text, '\n'), err
}

// sheds are what attempts can do without, by how little it is missed.
var sheds = []func(*Attempt){
	(*Attempt).shedDetails,
	(*Attempt).shedLists,
}

// shedDetails forgets how the rehearsal went; not how it ended.
func (a *Attempt) shedDetails() {
	a.Error = a.Error[:min(len(a.Error), maxError)]
	if a.Rehearsal != nil {
		a.Rehearsal.Steps, a.Rehearsal.Diff, a.Rehearsal.Warnings = nil, nil, nil
	}
}

// shedLists forgets which values did not fit; the next boot then lets none of them pass.
func (a *Attempt) shedLists() {
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

func (j *Journal) begin(a Attempt) error {
	a.ID = 1
	if last := j.Last(); last != nil {
		a.ID = last.ID + 1
	}
	j.Attempts = append(j.Attempts, a)
	return j.save()
}

// note changes the last attempt.
func (j *Journal) note(now time.Time, change func(*Attempt)) error {
	return j.amend(j.Last(), now, change)
}

// noteOpen changes the attempt whose end is not known yet.
func (j *Journal) noteOpen(now time.Time, change func(*Attempt)) error {
	return j.amend(j.Open(), now, change)
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
	state := a.outcome(running, s)
	if state == a.State {
		return nil
	}
	if state == Failed {
		a.Step, a.Error = stepBoot, "what booted from slot "+a.Slot+" calls itself "+running
	}
	a.State, a.Changed = state, now.UTC()
	return j.save()
}

// outcome is how far an attempt has come. The flags have the last word: they may
// have been changed by hand, or the note of a change may be lost. A slot that has
// been tried, has no try left and never booted well is one that failed: the boot
// loader went back to the other. One that runs and is not marked good may still
// fail. Until the attempt's own last step, flags are those of an earlier one.
func (a *Attempt) outcome(running string, s slot.State) State {
	here, spare := a.Slot == s.Active.String(), s.Sets[s.Active.Other()]
	switch {
	case a.State == Preparing && (here || a.Step != stepValid || !spare.Valid()):
		return Interrupted
	case here && !s.Good():
		return a.State
	case here && a.Version != running:
		return Failed // the publisher gave it a wrong name; as it stays an update, it would be installed for ever
	case here, spare.Successful():
		return Booted
	case spare.Priority() > 0 && spare.Tries() == 0:
		return BootFailed
	case spare.Priority() > 0:
		return Activated
	case spare.Valid():
		return Prepared
	}
	return a.State
}

// Open is the last attempt whose end is not known yet; nil if there is none, or
// if a later one has touched the slot since.
func (j *Journal) Open() *Attempt {
	for i := range slices.Backward(j.Attempts) {
		switch a := &j.Attempts[i]; {
		case a.State == Preparing || a.State == Prepared || a.State == Activated:
			return a
		case !slices.Contains(harmless, a.Step):
			return nil
		}
	}
	return nil
}

// Prepared is the version that is prepared and not activated, and the size of its
// images in bytes; "" if there is none.
func (j *Journal) Prepared() (version string, size int64) {
	a := j.Open()
	if a == nil || a.State != Prepared {
		return "", 0
	}
	for _, w := range a.Images {
		size += w.Size
	}
	return a.Version, size
}

// FellBack is the last attempt that touched the slot, if it was tried and the
// host came back to the old one; otherwise nil.
func (j *Journal) FellBack() *Attempt {
	for i := range slices.Backward(j.Attempts) {
		switch a := &j.Attempts[i]; {
		case a.State == BootFailed:
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
	if a == nil || a.State == Preparing || a.Slot != s.Active.String() || a.Version != running {
		return nil
	}
	a.Step, a.Error, a.Changed = stepBoot, blame, now.UTC()
	return j.save()
}

// Failed tells how a release with these images failed on this host once it was
// installed, or "" if it has not, or if it has booted since.
func (j *Journal) Failed(u manifest.Update, digest string) (how string) {
	for _, a := range j.Attempts {
		if a.Version != u.Version.String() || a.Variant != u.Variant || a.Digest != digest {
			continue
		}
		switch a.State {
		case BootFailed:
			how = "it did not boot from slot " + a.Slot + ", as was seen on " + a.Changed.Format(time.DateOnly)
			if a.Error != "" {
				how += ": " + a.Error
			}
		case Failed:
			if a.Step == stepBoot {
				how = a.Error + ", as was seen on " + a.Changed.Format(time.DateOnly)
			}
		case Booted:
			how = ""
		}
	}
	return how
}
