//go:build integration

package powerloss

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/durable/durabletest"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/tufrepo"
)

// recordUpdate traces an update. The disk is replayed in parts, as if each were
// a file: they are few, and the rest of it must not be written at all.
func recordUpdate(t *testing.T, h *host, options ...string) (durabletest.Log, error) {
	t.Helper()
	base := maps.Clone(h.base)
	base["disk"] = durabletest.Node{}
	trace, failed := run(t, hostVariable, h.dir, options...)
	log, err := parse(h.dir, base, trace)
	if err != nil {
		t.Fatal(err)
	}
	return durabletest.Log{Base: h.asLaid(), Ops: h.onParts(log.Ops)}, failed
}

// onParts is the log with the disk in its parts. On a host the table and each
// partition are devices of their own, and syncing one leaves the others as they
// are: a sync counts for what was written last.
func (h *host) onParts(log []durabletest.Op) (ops []durabletest.Op) {
	last := ""
	for _, op := range log {
		switch {
		case op.Path == "run" || strings.HasPrefix(op.Path, "run/"):
			// gone at a power loss
		case op.Path != "disk":
			ops = append(ops, op)
		case op.Kind == durabletest.Write:
			op = h.place(op)
			last = op.Path
			ops = append(ops, op)
		case op.Syncs() && last != "":
			ops = append(ops, durabletest.Op{Kind: durabletest.Sync, Path: last})
			last = ""
		}
	}
	return ops
}

func (r region) file() string { return "disk " + r.name }

// place finds the part that is written.
func (h *host) place(op durabletest.Op) durabletest.Op {
	for _, r := range h.regions {
		at := op.Offset - r.offset
		if at >= 0 && at+int64(len(op.Data)) <= int64(len(r.before)) {
			op.Path, op.Offset = r.file(), at
			return op
		}
	}
	h.t.Fatalf("%d bytes were written at %d of the disk: that is no place for an update", len(op.Data), op.Offset)
	return op
}

// found is a host after a crash.
type found struct {
	*host
	dir   string
	tree  durabletest.Tree
	marks []string
}

// restore lays out what a crash left, over what the last one left of the disk.
func (h *host) restore(tree durabletest.Tree, marks []string) (*found, error) {
	f := &found{h, filepath.Join(filepath.Dir(h.dir), "after"), tree, marks}
	files := durabletest.Tree{}
	for path, node := range tree {
		if !strings.HasPrefix(path, "disk ") {
			files[path] = node
		}
	}
	if err := errors.Join(os.RemoveAll(f.dir), os.Mkdir(f.dir, 0o755), files.Write(f.dir)); err != nil {
		return nil, err
	}
	// The disk as it was traced has the right size; what differs is in its regions.
	if err := os.Link(filepath.Join(h.dir, "disk"), filepath.Join(f.dir, "disk")); err != nil {
		return nil, err
	}
	disk, err := os.OpenFile(filepath.Join(f.dir, "disk"), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer disk.Close()
	for _, r := range h.regions {
		if _, err := disk.WriteAt(tree[r.file()].Data, r.offset); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// look reads what is on the disk now.
func (f *found) look() error {
	disk, err := os.Open(filepath.Join(f.dir, "disk"))
	if err != nil {
		return err
	}
	defer disk.Close()
	f.tree = durabletest.Tree{}
	for _, r := range f.regions {
		data := make([]byte, len(r.before))
		if _, err := disk.ReadAt(data, r.offset); err != nil {
			return err
		}
		f.tree[r.file()] = durabletest.Node{Data: data}
	}
	return nil
}

// flags are what the boot loader sees, after it has mended a damaged table.
func (f *found) flags() (a, b slot.Word, err error) {
	d, err := slot.At(filepath.Join(f.dir, "disk"), slot.A)
	if err != nil {
		return 0, 0, err
	}
	s, err := d.Sets(context.Background())
	return s.State.Sets[slot.A], s.State.Sets[slot.B], err
}

// check says what is wrong with a host: it must boot what it ran or the whole
// new release, and what it was told that is done must be done.
func (f *found) check() error {
	a, b, err := f.flags()
	if err != nil {
		return err
	}
	told := func(mark string) bool { return slices.Contains(f.marks, mark) }
	flags := [2]slot.Word{a, b}
	switch {
	case flags == [2]slot.Word{running, older} && !told("done update-image"):
		return f.holds(func(r region) []byte { return r.before })
	case flags == [2]slot.Word{running, cleared} && !told("done update-image"):
		return nil // B does not boot, whatever it holds
	case flags == [2]slot.Word{running, valid} && told("begin update-image") && !told("done update-apply"),
		flags == [2]slot.Word{backup, applied} && told("begin update-apply"):
		return errors.Join(f.holds(func(r region) []byte { return r.after }), f.bootable(), f.journal())
	}
	return fmt.Errorf("flags %x after %q", flags, f.marks)
}

// holds compares slot B with what it must hold.
func (f *found) holds(want func(region) []byte) error {
	for _, r := range f.regions {
		if r.after != nil && !bytes.HasPrefix(f.tree[r.file()].Data, want(r)) {
			return fmt.Errorf("%s is not what the flags promise", r.name)
		}
	}
	return nil
}

// bootable does what the first boot of the release does: it proves what was
// kept for it, without network.
func (f *found) bootable() error {
	r := paths.Root(f.dir)
	repo, err := tufrepo.Open(context.Background(), tufrepo.Dir(r.CachedMetadata(), r.Migrations()),
		tufrepo.Options{TrustedRoot: f.root, Expiry: tufrepo.IgnoreExpiry})
	if err != nil {
		return err
	}
	for _, name := range []string{"manifest.json", migration} {
		body, err := repo.Open(context.Background(), name)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			return err
		}
		if err := body.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (f *found) journal() error {
	var j struct {
		Attempts []struct{ State string }
	}
	text, err := os.ReadFile(paths.Root(f.dir).Attempts())
	if err == nil {
		err = json.Unmarshal(text, &j)
	}
	if err != nil || len(j.Attempts) == 0 {
		return fmt.Errorf("journal %q: %w", text, err)
	}
	return nil
}

// again runs the next attempt, which must succeed.
func (f *found) again() error {
	if err := updogOn(f.dir, "update"); err != nil {
		return err
	}
	a, b, err := f.flags()
	if err != nil || a != backup || b != applied {
		return fmt.Errorf("the next attempt leaves flags %x and %x (%w)", a, b, err)
	}
	disk, err := os.Open(filepath.Join(f.dir, "disk"))
	if err != nil {
		return err
	}
	defer disk.Close()
	for _, r := range f.regions {
		got := make([]byte, len(r.after))
		if _, err := disk.ReadAt(got, r.offset); err != nil || !bytes.Equal(got, r.after) {
			return fmt.Errorf("the next attempt leaves %s wrong (%w)", r.name, err)
		}
	}
	return f.bootable()
}

// crashes checks what every power loss may leave, and tries again after some.
func (h *host) crashes(log durabletest.Log, first, every int) (states int, err error) {
	return states, log.CrashesAfter(first, func(c durabletest.Crash) error {
		states++
		f, err := h.restore(c.Tree, c.Marks)
		if err == nil {
			err = f.check()
		}
		if err == nil && every > 0 && states%every == 0 {
			err = f.again()
		}
		if err != nil {
			return fmt.Errorf("%v\n%w", c, err)
		}
		return nil
	})
}

// Whenever the power goes while an update is prepared and activated, the host
// boots the old release or all of the new one, and the next attempt succeeds.
func TestPowerLossDuringUpdate(t *testing.T) {
	for name, inParts := range map[string]bool{"whole images": false, "what is missing": true} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, inParts)
			log, err := recordUpdate(t, h)
			if err != nil {
				t.Fatal(err)
			}
			states, err := h.crashes(log, 0, 50)
			if err != nil {
				t.Error(err)
			}
			t.Logf("%d operations, %d states", len(log.Ops), states)
			if states < 400 {
				t.Error("that is too few")
			}
		})
	}
}
