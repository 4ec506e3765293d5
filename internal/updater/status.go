package updater

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/osrelease"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/update/journal"
)

// View is all that is known at one time.
type View struct {
	Record
	Status  api.UpdateStatus
	Problem string             // why the slots cannot be seen
	Attempt *api.UpdateAttempt // that put into the spare slot what is there; nil: none did

	FellBack *api.UpdateAttempt // that was tried, and from which the host came back; nil: none

	OutOfDate bool // settings were changed since its rehearsal
}

// View looks at the record and the slots. Its caller holds one of the locks.
func (u *Updater) View(ctx context.Context) (View, error) {
	r, err := u.load()
	if err != nil {
		return View{}, err
	}
	return u.view(ctx, r)
}

func (u *Updater) view(ctx context.Context, r Record) (View, error) {
	release, err := osrelease.Read(u.Root)
	if err != nil {
		return View{}, err
	}
	v := View{Record: r.settled()}
	tried := journal.Load(u.Root, u.Log)
	v.FellBack = tried.FellBack(release.VersionID)
	if v.Chosen != nil && v.Digest != "" {
		v.withdraw(tried.Failed(v.Chosen.Version, v.Chosen.Variant, v.Digest))
	}
	sets, err := u.sets(ctx)
	if err != nil {
		v.Problem = err.Error()
	} else if stage(sets.State) != api.UpdateIdle {
		v.Attempt = tried.Staged(sets.Active.Other())
	}
	v.Status = v.status(sets, api.UpdateImage{Arch: release.Arch, Version: release.VersionID, Variant: release.VariantID}, u.Now())
	return v, nil
}

// failedBefore is the code of the reason that a release failed on this host.
const failedBefore = "failed-before"

// withdraw takes back what the last refresh chose if it has failed since; the
// next refresh weighs that itself.
func (r *Record) withdraw(how string) {
	if how == "" {
		return
	}
	r.Chosen, r.Offered = nil, false
	if r.Offer == nil {
		return
	}
	offer := *r.Offer // who looks has a copy of a record that is kept
	offer.Releases = slices.Clone(offer.Releases)
	offer.Chosen, r.Offer = nil, &offer
	for i := range offer.Releases {
		if release := &offer.Releases[i]; release.Chosen {
			text := fmt.Sprintf("it failed on this host: %s; updog update --image %s tries it again", how, release.Version)
			release.Chosen, release.Reasons = false, append(slices.Clip(release.Reasons), api.UpdateReason{Code: failedBefore, Text: text})
		}
	}
}

// sets is what the disk's flags say; nil if they cannot be read.
func (u *Updater) sets(ctx context.Context) (*slot.Sets, error) {
	d, err := slot.Of(u.Root)
	if err != nil {
		return nil, err
	}
	sets, err := d.Sets(ctx)
	if err != nil {
		return nil, err
	}
	return &sets, nil
}

// status is what the API tells. A host whose flags cannot be read has nothing
// staged, and boots what it runs.
func (v View) status(sets *slot.Sets, running api.UpdateImage, now time.Time) api.UpdateStatus {
	s := api.UpdateStatus{
		State: api.UpdateIdle, Available: v.Available, Chosen: v.Chosen, Command: v.shown(now),
		Active: &api.UpdatePartition{Image: &running, NextToBoot: true},
	}
	if s.Available == nil {
		s.Available = []string{}
	}
	if s.Chosen != nil && *s.Chosen == running {
		s.Chosen = nil // it was installed, and booted
	}
	if s.Chosen != nil && v.Offered {
		s.State = api.UpdateAvailable
	}
	if sets == nil {
		return s
	}
	next, boots := sets.Next()
	s.Active.NextToBoot = boots && next == sets.Active
	if v.Attempt != nil {
		s.State = stage(sets.State)
		image := api.UpdateImage{Arch: running.Arch, Version: v.Attempt.Version, Variant: v.Attempt.Variant}
		s.Staging = &api.UpdatePartition{Image: &image, NextToBoot: s.State == api.UpdateReady}
	}
	return s
}

// stage is how far the flags say that what is in the spare slot has come; idle if
// nothing waits there.
func stage(s slot.State) api.UpdateState {
	next, boots := s.Next()
	switch {
	case s.Single:
	case boots && next != s.Active:
		return api.UpdateReady
	case s.Sets[s.Active.Other()].Valid():
		return api.UpdateStaged
	}
	return api.UpdateIdle
}

// deactivateShown is for how long a deactivate is told as the most recent
// command: far longer than any client waits for it. Afterwards the one before it
// is told, because the reference's operator for Kubernetes cannot read a status
// with that word.
const deactivateShown = time.Minute

func (r Record) shown(now time.Time) *api.UpdateCommand {
	if r.Last == nil || r.Last.Type != api.UpdateDeactivate || r.Before == nil {
		return r.Last
	}
	ended, err := time.Parse(time.RFC3339Nano, r.Last.Timestamp)
	if age := now.Sub(ended); err == nil && age >= 0 && age < deactivateShown {
		return r.Last
	}
	return r.Before
}

// export writes the status where the reference's programs keep it.
func (u *Updater) export(s api.UpdateStatus) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err == nil {
		err = write(u.Root.UpdateStatus(), text)
	}
	if err != nil {
		return fmt.Errorf("write update status file '%s': %w", u.Root.UpdateStatus(), err)
	}
	return nil
}
