package tufrepo

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/durable"
)

// DownloadOptions are what a caller of [Repository.Download] may choose.
type DownloadOptions struct {
	// Mode of the file; 0: 0644.
	Mode fs.FileMode
	// Progress hears how many of the target's bytes are here; nil: nobody.
	Progress func(here, total int64)
}

// Download brings a target to the file path, durably: when it returns nil, the
// whole, proved file is on the disk under that name, and never anything else.
// A file there that is the target already is left alone.
//
// Until then the bytes are in a hidden file beside it, which a later call, also
// after a crash or a reboot, goes on with: what is on the disk is hashed again,
// and the rest is asked for. Bytes that turn out wrong are thrown away; if they
// came from an earlier call, the download begins anew by itself.
func (r *Repository) Download(ctx context.Context, name, path string, o DownloadOptions) error {
	t, err := r.Target(ctx, name)
	if err != nil {
		return err
	}
	if o.Mode == 0 {
		o.Mode = 0o644
	}
	p := newPartial(r.store.fs, path, t)
	if same, err := p.isTarget(ctx, path); same || err != nil {
		return err
	}
	resumed, err := r.download(ctx, p, o)
	if resumed && provedWrong(err) {
		r.log.Warn("partial download does not fit, beginning anew", "target", name, "err", err)
		_, err = r.download(ctx, p, o)
	}
	return err
}

// download goes on from what is there. It tells whether there was anything.
func (r *Repository) download(ctx context.Context, p *partial, o DownloadOptions) (resumed bool, err error) {
	if err := p.load(ctx); err != nil {
		return false, err
	}
	resumed = p.check.n > 0
	if p.check.n < p.target.Length || !resumed {
		if err := r.fill(ctx, p, o); err != nil {
			return resumed, p.failed(err)
		}
	}
	if err := p.check.done(); err != nil {
		return resumed, p.failed(err)
	}
	return resumed, p.finish(o.Mode)
}

func (r *Repository) fill(ctx context.Context, p *partial, o DownloadOptions) error {
	body, err := r.openBody(ctx, p.target, Fetch{
		Offset: p.check.n, Validator: p.note.Validator,
		Known: func(body io.Reader, n int64) error { return p.check.known(body, n) },
	})
	if err != nil {
		return err
	}
	defer body.Close()
	file, err := p.open(body)
	if err != nil {
		return err
	}
	p.check.where = body.Where
	to := []io.Writer{p.check, file}
	if o.Progress != nil {
		to = append(to, progressWriter(func() { o.Progress(p.check.n, p.target.Length) }))
	}
	_, err = io.CopyBuffer(io.MultiWriter(to...), bodyOnly{body}, make([]byte, 256<<10))
	return errors.Join(err, file.Sync(), file.Close())
}

type progressWriter func()

func (w progressWriter) Write(data []byte) (int, error) { w(); return len(data), nil }

// bodyOnly hides what else a body can do, so that the buffer is used.
type bodyOnly struct{ io.Reader }

// partial is a download that is not whole yet: a hidden file, and a note beside
// it that says what it is a part of.
type partial struct {
	fs     durable.FS
	path   string
	target Target
	check  *check // of what is on disk
	note   note
}

// note survives a crash beside the partial file.
type note struct {
	Length    int64             `json:"length"`
	Hashes    map[string]string `json:"hashes"`
	Validator string            `json:"validator,omitempty"`
}

func newPartial(fsys durable.FS, path string, t Target) *partial {
	return &partial{fs: fsys, path: path, target: t}
}

// longestName is what file systems take, in bytes.
const longestName = 255

func (p *partial) file() string {
	const end = ".partial"
	dir, base := filepath.Split(p.path)
	if len(base)+len(".")+len(end)+len(noteEnd) > longestName {
		base = fmt.Sprintf("%x", sha256.Sum256([]byte(base)))
	}
	return filepath.Join(dir, "."+base+end)
}

const noteEnd = ".json"

func (p *partial) noteFile() string { return p.file() + noteEnd }

// isTarget tells whether a file is the whole target.
func (p *partial) isTarget(ctx context.Context, path string) (bool, error) {
	c := newCheck(p.target)
	err := hashFile(ctx, path, c)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrLength):
		return false, nil
	case err != nil:
		return false, err
	}
	return c.done() == nil, nil
}

// hashFile feeds a regular file to a check.
func hashFile(ctx context.Context, path string, c *check) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := seekRegular(f, 0); err != nil {
		return err
	}
	_, err = io.CopyBuffer(c, readerUntil{ctx, f}, make([]byte, 256<<10))
	return err
}

// readerUntil ends with the context.
type readerUntil struct {
	ctx context.Context // an io.Reader's Read takes none
	io.Reader
}

func (r readerUntil) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// load looks at what an earlier call left. What is of another target, or
// cannot be gone on with, is removed.
func (p *partial) load(ctx context.Context) error {
	p.check, p.note = newCheck(p.target), note{}
	if p.resumable() {
		err := hashFile(ctx, p.file(), p.check)
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
	p.check, p.note = newCheck(p.target), note{}
	return p.remove()
}

func (p *partial) resumable() bool {
	if _, ok := p.fs.(durable.Appender); !ok {
		return false
	}
	const most = 64 << 10
	data, err := durable.ReadFile(p.noteFile(), most)
	if err != nil || json.Unmarshal(data, &p.note) != nil {
		return false
	}
	return p.note.Length == p.target.Length && maps.Equal(p.note.Hashes, p.target.Hashes)
}

func (p *partial) remove() error {
	return errors.Join(durable.Remove(p.fs, p.noteFile()), durable.Remove(p.fs, p.file()))
}

// open gives the file that the body belongs into: the one that is there, or a
// new one if the source begins again. The note is on disk before any byte.
func (p *partial) open(body *Body) (durable.File, error) {
	if body.Offset > 0 && body.Offset == p.check.n {
		return p.fs.(durable.Appender).Append(p.file())
	}
	p.check = newCheck(p.target)
	if err := p.remove(); err != nil {
		return nil, err
	}
	p.note = note{Length: p.target.Length, Hashes: p.target.Hashes, Validator: body.Validator}
	data, err := json.Marshal(p.note)
	if err != nil {
		return nil, err
	}
	if err := writeFile(p.fs, p.noteFile(), data); err != nil {
		return nil, err
	}
	return p.fs.Create(p.file())
}

// failed throws away bytes that are proved wrong, and keeps those that may be right.
func (p *partial) failed(err error) error {
	if provedWrong(err) {
		return errors.Join(err, p.remove())
	}
	return err
}

// provedWrong tells whether more bytes could not make the file right any more.
func provedWrong(err error) bool {
	return (errors.Is(err, ErrHash) || errors.Is(err, ErrLength)) && !errors.Is(err, ErrNetwork)
}

// finish gives the whole file its name. Its content is on disk already, unless
// a crash took the call that wrote its last byte; so it is synced again.
func (p *partial) finish(mode fs.FileMode) error {
	if err := p.seal(mode); err != nil {
		return fmt.Errorf("finish %s: %w", p.path, err)
	}
	if err := durable.Rename(p.fs, p.file(), p.path); err != nil {
		return err
	}
	return durable.Remove(p.fs, p.noteFile())
}

func (p *partial) seal(mode fs.FileMode) error {
	a, ok := p.fs.(durable.Appender)
	if !ok {
		return fmt.Errorf("%T cannot append to a file", p.fs)
	}
	f, err := a.Append(p.file())
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(mode), f.Sync(), f.Close())
}
