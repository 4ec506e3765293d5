package tufrepo

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Bundle is a source in one file, for hosts that no network reaches: a tar
// archive with the folders metadata and targets, laid out like a repository. It
// is proved as any other source. Nothing of it is unpacked: files are read
// where they lie in the archive.
type Bundle struct {
	file  *os.File
	index map[string]span
}

// span is where a file lies in the archive.
type span struct{ offset, length int64 }

// maxBundleFiles bounds what is remembered of an archive.
const maxBundleFiles = 1 << 16

const (
	bundleMetadata = "metadata/"
	bundleTargets  = "targets/"
)

// OpenBundle opens a bundle. The caller closes it when it is done with the
// repository.
func OpenBundle(path string) (*Bundle, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open bundle: %w", err)
	}
	b := &Bundle{file: f, index: map[string]span{}}
	if err := b.scan(); err != nil {
		return nil, errors.Join(&Error{
			Kind: ErrMalformed, What: "bundle " + path, Err: err,
			Hint: "make it again, or copy it again",
		}, f.Close())
	}
	return b, nil
}

// scan reads the archive's headers; contents are passed over.
func (b *Bundle) scan() error {
	if err := seekRegular(b.file, 0); err != nil {
		return err
	}
	info, err := b.file.Stat()
	if err != nil {
		return err
	}
	archive := tar.NewReader(b.file)
	for range maxBundleFiles {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeDir {
			continue
		}
		if err := b.add(h, info.Size()); err != nil {
			return fmt.Errorf("%s: %w", printable(h.Name), err)
		}
	}
	return fmt.Errorf("more than %d files", maxBundleFiles)
}

func (b *Bundle) add(h *tar.Header, size int64) error {
	name := strings.TrimPrefix(h.Name, "./")
	switch {
	case h.Typeflag != tar.TypeReg || sparse(h):
		return errors.New("not a plain file")
	case !fs.ValidPath(name) || path.Clean(name) != name:
		return errors.New("its name leads elsewhere")
	case !strings.HasPrefix(name, bundleMetadata) && !strings.HasPrefix(name, bundleTargets):
		return fmt.Errorf("neither below %s nor below %s", bundleMetadata, bundleTargets)
	}
	if _, twice := b.index[name]; twice {
		return errors.New("it is in the bundle twice")
	}
	// The reader has read this far and not further: it reads whole headers.
	offset, err := b.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if h.Size < 0 || h.Size > size-offset {
		return errors.New("it goes on beyond the end of the bundle")
	}
	b.index[name] = span{offset, h.Size}
	return nil
}

func sparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// Close implements io.Closer.
func (b *Bundle) Close() error { return b.file.Close() }

func (b *Bundle) find(name string) (span, error) {
	s, ok := b.index[name]
	if !ok {
		return s, &Error{
			Kind: ErrNotFound, What: b.file.Name() + ": " + printable(name), Text: "not found in the bundle",
			Hint: "make the bundle with everything that this host needs",
		}
	}
	return s, nil
}

// Metadata implements Source.
func (b *Bundle) Metadata(ctx context.Context, name string, limit int64) ([]byte, error) {
	s, err := b.find(bundleMetadata + name)
	if err != nil {
		return nil, err
	}
	if s.length > limit {
		return nil, tooLong(b.file.Name()+": "+printable(name), limit)
	}
	data := make([]byte, s.length)
	if _, err := b.file.ReadAt(data, s.offset); err != nil {
		return nil, fmt.Errorf("read bundle: %w", err)
	}
	return data, ctx.Err()
}

// Target implements Source.
func (b *Bundle) Target(ctx context.Context, want Fetch) (*Body, error) {
	s, err := b.find(bundleTargets + want.Name)
	if err != nil {
		return nil, err
	}
	from := min(want.Offset, s.length)
	content := io.NewSectionReader(b.file, s.offset+from, s.length-from)
	return &Body{ReadCloser: io.NopCloser(readerUntil{ctx, content}), Offset: from}, nil
}

// bundleAt is a bundle at an address, opened anew for each file of it: like a
// folder it needs nobody to close it.
type bundleAt string

// Metadata implements Source.
func (path bundleAt) Metadata(ctx context.Context, name string, limit int64) ([]byte, error) {
	b, err := OpenBundle(string(path))
	if err != nil {
		return nil, err
	}
	defer b.Close()
	return b.Metadata(ctx, name, limit)
}

// Where shows the place of a metadata file.
func (path bundleAt) Where(name string) string { return string(path) + ": " + bundleMetadata + name }

// Target implements Source.
func (path bundleAt) Target(ctx context.Context, want Fetch) (*Body, error) {
	b, err := OpenBundle(string(path))
	if err != nil {
		return nil, err
	}
	body, err := b.Target(ctx, want)
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	body.ReadCloser = struct {
		io.Reader
		io.Closer
	}{body.ReadCloser, b}
	return body, nil
}

// WriteBundle writes a bundle with these targets and the metadata that proves
// them. If it fails, what was written is no bundle. The same repository gives
// the same bytes.
func (r *Repository) WriteBundle(ctx context.Context, w io.Writer, names ...string) error {
	targets, err := r.lookUp(ctx, names)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(w)
	for _, f := range r.believed() {
		if err := addFile(archive, bundleMetadata+f.name, int64(len(f.raw)), strings.NewReader(string(f.raw))); err != nil {
			return fmt.Errorf("write bundle: %w", err)
		}
	}
	for _, t := range targets {
		if err := r.bundleTarget(ctx, archive, t); err != nil {
			return fmt.Errorf("write bundle: %w", err)
		}
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	return nil
}

// lookUp finds targets, each once. Delegated roles that vouch for them are then
// among what is believed.
func (r *Repository) lookUp(ctx context.Context, names []string) ([]Target, error) {
	var targets []Target
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		t, err := r.Target(ctx, name)
		if err != nil {
			return nil, err
		}
		targets = append(targets, t)
	}
	return targets, nil
}

func (r *Repository) bundleTarget(ctx context.Context, archive *tar.Writer, t Target) error {
	resolved, err := resolve(t.Name)
	if err != nil {
		return err
	}
	digest := ""
	if r.root.body.ConsistentSnapshot {
		digest = t.digests().prefix()
	}
	body, err := r.Open(ctx, t.Name)
	if err != nil {
		return err
	}
	err = addFile(archive, bundleTargets+fileNames(resolved, digest)[0], t.Length, body)
	return errors.Join(err, body.Close())
}

func addFile(archive *tar.Writer, name string, length int64, content io.Reader) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: length, Mode: 0o644, Format: tar.FormatPAX}
	if err := archive.WriteHeader(h); err != nil {
		return err
	}
	_, err := io.Copy(archive, content)
	return err
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
