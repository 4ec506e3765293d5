package updater

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/paths"
)

// Record is what is remembered of a host's updates.
type Record struct {
	Serial uint64 `json:"serial,omitempty"` // of the times that it was kept

	Available []string           `json:"available"` // versions, the newest first, as the last refresh saw them
	Chosen    *api.UpdateImage   `json:"chosen"`
	Digest    string             `json:"digest,omitempty"` // of the images of what is chosen
	Offered   bool               `json:"offered"`          // the last refresh succeeded and chose it
	Begun     *Begun             `json:"begun"`            // the command that is under way, or was interrupted
	Last      *api.UpdateCommand `json:"last"`             // the command that ended last
	Before    *api.UpdateCommand `json:"before"`           // the last one that was no deactivate

	Ended map[string]api.UpdateCommand `json:"ended,omitempty"` // the last one of each type

	Failing map[string]Failing `json:"failing,omitempty"` // commands that failed and have not succeeded since
	Offer   *api.UpdateOffer   `json:"offer,omitempty"`   // as the last successful refresh found it
}

// Failing is how often a command failed in a row, with which release, and when last.
type Failing struct {
	Times   int       `json:"times"`
	Version string    `json:"version,omitempty"`
	Last    time.Time `json:"last"`
}

// Begun is a command that has begun.
type Begun struct {
	Command string    `json:"command"`
	Started time.Time `json:"started"`
}

// Updater is the machine of the host below Root.
type Updater struct {
	Root paths.Root
	Now  func() time.Time
	Log  *slog.Logger
}

// ErrNone is returned where no command has ever been run on this host.
var ErrNone = errors.New("no update command has been run on this host")

// maxRecord bounds the record, in bytes.
const maxRecord = 16 << 20

// load reads the record; ErrNone if there is none.
func (u *Updater) load() (Record, error) {
	r, err := read(u.Root.UpdateRecord())
	if spare, none := read(u.Root.UpdateSpareRecord()); none == nil && (err != nil || spare.Serial > r.Serial) {
		return spare, nil
	}
	return r, err
}

func read(path string) (Record, error) {
	text, err := durable.ReadFile(path, maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return Record{}, ErrNone
	}
	var r Record
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return Record{}, fmt.Errorf("read state of updates: %s: %w", path, err)
	}
	return r, nil
}

// loadOrNew also takes none, and one that cannot be read: what it remembers can
// be found out anew, and a host that cannot be updated is worse.
func (u *Updater) loadOrNew() Record {
	r, err := u.load()
	if err != nil && !errors.Is(err, ErrNone) {
		u.Log.Warn("state of updates cannot be read, starting anew", "err", err)
	}
	return r
}

// save keeps the record on the disk. While that takes nothing more, memory must
// do, until the next reboot: else nobody could ask what is wrong.
func (u *Updater) save(r Record) error {
	r.Serial++
	text, err := r.encode()
	if err != nil {
		return fmt.Errorf("keep state of updates: %w", err)
	}
	if err = write(u.Root.UpdateRecord(), text); err == nil {
		_ = os.Remove(u.Root.UpdateSpareRecord()) // if it stays, its number tells that it is old
		return nil
	}
	if write(u.Root.UpdateSpareRecord(), text) != nil {
		return fmt.Errorf("keep state of updates: %w", err)
	}
	u.Log.Warn("state of updates is kept in memory, until the next reboot", "err", err)
	return nil
}

// encode is the record's text, short enough to be read again: in the offer of a
// repository with very many releases, those that are not chosen go without the
// names of their migrations.
func (r Record) encode() ([]byte, error) {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil || len(text) < maxRecord || r.Offer == nil {
		return text, err
	}
	o := *r.Offer
	o.Releases = slices.Clone(o.Releases)
	for i := range o.Releases {
		if !o.Releases[i].Chosen {
			o.Releases[i].Migrations = nil
		}
	}
	r.Offer = &o
	return json.MarshalIndent(r, "", "  ")
}

func write(path string, text []byte) error {
	attributes := durable.Attributes{Mode: 0o644, UID: durable.Keep, GID: durable.Keep}
	return durable.Reclaim(durable.OS{}, path, append(text, '\n'), attributes)
}

// interruptedExit is the exit status of a command that was interrupted.
const interruptedExit = 1

// settled is the record after a look at a command that was begun and not ended,
// by somebody who knows that nobody is running it.
func (r Record) settled() Record {
	if r.Begun == nil {
		return r
	}
	b := *r.Begun
	r.Begun = nil
	r.ended(api.UpdateCommand{
		Type: b.Command, Status: api.UpdateFailed, Timestamp: api.Timestamp(b.Started), ExitStatus: interruptedExit,
		Stderr: fmt.Sprintf("interrupted: %s, begun at %s, was ended by a crash or a power cut\n", b.Command, api.TimeText(b.Started.UTC())),
	})
	return r
}

// ended notes how a command ended. Unless a refresh succeeds, nothing is offered.
func (r *Record) ended(c api.UpdateCommand) {
	r.Last = &c
	r.Ended = maps.Clone(r.Ended) // who looks may have settled a copy
	if r.Ended == nil {
		r.Ended = map[string]api.UpdateCommand{}
	}
	r.Ended[c.Type] = c
	if c.Type != api.UpdateDeactivate {
		r.Before = &c
	}
	r.count(c)
	if c.Type == api.UpdateRefresh {
		r.Offered = c.Status == api.UpdateSuccess && r.Chosen != nil
	}
}

// count counts failures in a row: of a prepare, those with the same release.
func (r *Record) count(c api.UpdateCommand) {
	f := r.Failing[c.Type]
	if c.Status == api.UpdateSuccess {
		delete(r.Failing, c.Type)
		if c.Type == api.UpdatePrepare {
			delete(r.Failing, api.UpdateActivate) // what could not be activated has been written anew
		}
		return
	}
	version := ""
	if r.Chosen != nil && c.Type != api.UpdateRefresh {
		version = r.Chosen.Version
	}
	if f.Version != version {
		f = Failing{Version: version}
	}
	f.Times++
	f.Last, _ = time.Parse(time.RFC3339Nano, c.Timestamp)
	if r.Failing == nil {
		r.Failing = map[string]Failing{}
	}
	r.Failing[c.Type] = f
}
