package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/pierrec/lz4/v4"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/paths"
	slots "github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/update/journal"
)

const (
	aimedDelta   = 0.15
	aimedUpdater = 64 << 20
	sparsePart   = 64 << 20
)

// updates publishes two releases and lets a host install them: one of which it
// has most, and one with a large image, of which most is empty.
func updates(ctx context.Context, b *bench) ([]row, error) {
	w, err := newPublisher(ctx, b)
	if err != nil {
		return nil, err
	}
	old := rootImage(b.times(8000, 1000), -1)
	if err := w.release(ctx, "1.1.0", small(rootImage(b.times(8000, 1000), b.times(4000, 500)))); err != nil {
		return nil, err
	}
	changed, used, err := w.install(ctx, old)
	if err != nil {
		return nil, err
	}
	if changed.Way != api.ByDelta {
		return nil, fmt.Errorf("the whole image was fetched: %s", changed.NoDelta)
	}
	parts := b.times(64, 8)
	if err := w.release(ctx, "1.2.0", sparse(parts), "--no-delta"); err != nil {
		return nil, err
	}
	_, usedWhole, err := w.install(ctx, nil)
	if err != nil {
		return nil, err
	}
	ratio := float64(changed.Fetched) / float64(changed.Whole)
	return []row{
		{
			what: fmt.Sprintf("fetch a root of %s, a package of it new", mebibytes(int64(len(old)))), floor: mebibytes(changed.Whole), ours: mebibytes(changed.Fetched),
			ratio: fmt.Sprintf("%.3f", ratio), aim: fmt.Sprintf("≤ %.2f", aimedDelta), ok: ratio <= aimedDelta,
		},
		below("memory of updog meanwhile", used, aimedUpdater),
		below("memory of updog that writes an image of "+mebibytes(int64(parts)*sparsePart), usedWhole, aimedUpdater),
	}, nil
}

// rootImage is like a file system's: a table of files, which says where they
// are, and their contents from 4 KiB to 4 KiB, some of it text, some of it code. The file
// of the number changed, and four behind it, have other contents and sizes than with -1.
func rootImage(files, changed int) []byte {
	const align = 4 << 10
	var table, contents bytes.Buffer
	for i := range files {
		seed := uint64(i)
		if changed >= 0 && i >= changed && i < changed+5 {
			seed += 1 << 32
		}
		r := rand.New(rand.NewPCG(seed, 1))
		fmt.Fprintf(&table, "%-32d%32d", i, contents.Len()/align)
		size := 1 + r.IntN(1<<(8+r.IntN(10)))
		for n := 0; n < size; {
			part := text(r)
			if i%2 == 0 {
				part = code(r)
			}
			contents.Write(part)
			n += len(part)
		}
		contents.Write(make([]byte, (align-contents.Len()%align)%align))
	}
	table.Write(make([]byte, (align-table.Len()%align)%align))
	return append(table.Bytes(), contents.Bytes()...)
}

func text(r *rand.Rand) []byte {
	words := []string{"slot ", "root ", "hash ", "update ", "verify ", "the ", "of ", "and ", "boot\n"}
	return []byte(words[r.IntN(len(words))])
}

func code(r *rand.Rand) []byte {
	part := make([]byte, 32)
	for i := range 20 {
		part[i] = byte(r.Uint32())
	}
	return part
}

// publisher has a repository, and a host that follows it.
type publisher struct {
	*bench
	dir  string
	root paths.Root // of the host
	disk string
}

func newPublisher(ctx context.Context, b *bench) (*publisher, error) {
	w := &publisher{bench: b, dir: filepath.Join(b.dir, "publisher"), disk: filepath.Join(b.dir, "host.img")}
	w.root = paths.Root(filepath.Join(w.dir, "host"))
	if err := os.MkdirAll(w.dir, 0o755); err != nil {
		return nil, err
	}
	for _, args := range [][]string{
		{"pubsys", "keys", "new", "all.pem"},
		{"pubsys", "root", "new", "1.root.json", "--add-key", "root,targets,snapshot,timestamp=all.pub"},
		{"pubsys", "root", "sign", "1.root.json", "--key", "all.pem"},
		{"hostler", "sandbox", "disk", w.disk, "--size", "12G"},
	} {
		if err := w.call(ctx, args...); err != nil {
			return nil, err
		}
	}
	return w, w.host()
}

// host writes what a host needs to follow the repository.
func (w *publisher) host() error {
	trusted, err := os.ReadFile(filepath.Join(w.dir, "1.root.json"))
	if err != nil {
		return err
	}
	config := fmt.Sprintf("metadata_base_url = \"file://%[1]s/repo/metal-dev/x86_64\"\ntargets_base_url = \"file://%[1]s/repo/targets\"\n"+
		"seed = 1\nversion_lock = \"latest\"\nignore_waves = true\n", w.dir)
	for path, text := range map[string][]byte{
		w.root.TrustedRoot(): trusted,
		w.root.Updog():       []byte(config),
		w.root.OSRelease():   []byte("VARIANT_ID=metal-dev\nVERSION_ID=1.0.0\nBUILD_ID=bench\nPRETTY_NAME=bench\n"),
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, text, 0o644)); err != nil {
			return err
		}
	}
	return nil
}

// call runs one of the programs.
func (w *publisher) call(ctx context.Context, args ...string) error {
	c := exec.CommandContext(ctx, filepath.Join(w.bin, args[0]), args[1:]...)
	c.Dir = w.dir
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w: %s", args, err, out)
	}
	return nil
}

// small is an image that pubsys packs.
func small(data []byte) func(path string) error {
	return func(path string) error { return os.WriteFile(path, data, 0o644) }
}

// sparse is a packed image of which the first part has content, and the others nothing.
func sparse(parts int) func(path string) error {
	return func(path string) error {
		content, empty, data := new(bytes.Buffer), new(bytes.Buffer), make([]byte, sparsePart)
		if err := frame(empty, data); err != nil {
			return err
		}
		_, _ = rand.NewChaCha8([32]byte{1}).Read(data) // it never fails
		if err := frame(content, data); err != nil {
			return err
		}
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		_, err = content.WriteTo(f)
		for range parts - 1 {
			if err == nil {
				_, err = f.Write(empty.Bytes())
			}
		}
		return errors.Join(err, f.Close())
	}
}

func frame(w io.Writer, data []byte) error {
	z := lz4.NewWriter(w)
	_, err := z.Write(data)
	return errors.Join(err, z.Close())
}

// release publishes a version with a root image, and small others.
func (w *publisher) release(ctx context.Context, version string, image func(string) error, options ...string) error {
	steps := fmt.Sprintf("version = %q\n[migrations]\n\"(1.0.0, 1.1.0)\" = []\n\"(1.1.0, 1.2.0)\" = []\n", version)
	if err := os.WriteFile(filepath.Join(w.dir, "Release.toml"), []byte(steps), 0o644); err != nil {
		return err
	}
	args := []string{
		"pubsys", "release", "--new", "--dir", "repo", "--root", "1.root.json", "--key", "all.pem", "--waves", "none",
		"--variant", "metal-dev", "--arch", "x86_64", "--release-file", "Release.toml",
	}
	for _, name := range []string{"root", "boot", "hash"} {
		file := filepath.Join(w.dir, name+"-"+version+".img")
		fill := small([]byte(name + version))
		if name == "root" {
			fill = image
		}
		if err := fill(file); err != nil {
			return err
		}
		args = append(args, "--"+name+"-image", file)
	}
	return w.call(ctx, append(args, options...)...)
}

// install makes a host that runs an image install the newest release; it tells
// how the root image came there, and the memory that this took in bytes.
func (w *publisher) install(ctx context.Context, running []byte) (api.UpdateWritten, int64, error) {
	if err := w.runs(ctx, running); err != nil {
		return api.UpdateWritten{}, 0, err
	}
	used, err := peak(exec.CommandContext(ctx, filepath.Join(w.bin, "updog"), "update-image", "--root", string(w.root), "--disk", w.disk, "--active", "A"))
	if err != nil {
		return api.UpdateWritten{}, 0, fmt.Errorf("updog: %w", err)
	}
	text, err := os.ReadFile(w.root.Attempts())
	if err != nil {
		return api.UpdateWritten{}, 0, err
	}
	var journal journal.Journal
	if err := json.Unmarshal(text, &journal); err != nil {
		return api.UpdateWritten{}, 0, err
	}
	return journal.Last().Images[0], used, nil
}

// peak runs a command and looks at its memory until it ends: the most that it
// ever had, in bytes. What the kernel tells after the end counts what the parent had, too.
func peak(c *exec.Cmd) (most int64, err error) {
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	for {
		select {
		case err := <-ended:
			if err != nil {
				err = fmt.Errorf("%w: %s", err, out.Bytes())
			}
			return most, err
		case <-time.After(5 * time.Millisecond):
			if now, err := memoryOf(c.Process.Pid, "VmHWM"); err == nil { // it may have ended
				most = max(most, now)
			}
		}
	}
}

// runs puts an image into the slot that counts as running.
func (w *publisher) runs(ctx context.Context, image []byte) error {
	d, err := slots.At(w.disk, slots.A)
	if err != nil {
		return err
	}
	sets, err := d.Sets(ctx)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(w.disk, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(image, sets.Extents[slots.A][slots.RootPartition].Offset)
	return errors.Join(err, f.Close())
}
