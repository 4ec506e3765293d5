package tufrepo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"
)

// namedFile is a metadata file as it is published.
type namedFile struct {
	name string
	raw  []byte
}

// believed lists the metadata that was proved, timestamp.json last: it is what
// makes the others be found. Roots are those above the image's.
func (r *Repository) believed() []namedFile {
	var files []namedFile
	for v := range r.root.version + 1 {
		if raw, ok := r.roots[v]; ok {
			files = append(files, namedFile{rootName(v), raw})
		}
	}
	for _, role := range sortedKeys(r.delegated) {
		if meta := r.snapshot.body.Meta[role+".json"]; meta != nil {
			files = append(files, namedFile{r.metadataName(role, meta.Version), r.delegated[role]})
		}
	}
	return append(files,
		namedFile{r.metadataName(targetsRole, r.targets.version), r.targets.raw},
		namedFile{r.metadataName(snapshotRole, r.snapshot.version), r.snapshot.raw},
		namedFile{timestampRole + ".json", r.timestamp.raw})
}

// Cache keeps targets, and the metadata that proves them, for a time without
// network, such as the next boot: exactly the bytes that were proved, in the
// layout of a published repository, so that [Dir] of the two folders opens them.
// A crash leaves what was kept before or what is kept now, whole; metadata that
// is no longer referred to is removed at the end. Targets of earlier calls stay.
//
// It needs consistent snapshots: without versions in names the old files would
// be overwritten one by one.
func (r *Repository) Cache(ctx context.Context, metadata, targets string, names ...string) error {
	if !r.root.body.ConsistentSnapshot {
		return &Error{
			Kind: ErrMalformed, What: "repository", Text: "it has no consistent snapshots, so it cannot be kept safely",
			Hint: "the publisher must set consistent_snapshot",
		}
	}
	for _, name := range names {
		if err := r.cacheTarget(ctx, targets, name); err != nil {
			return fmt.Errorf("keep target %s: %w", printable(name), err)
		}
	}
	files := r.believed()
	keep := map[string]bool{}
	for _, f := range files {
		if err := writeFile(r.store.fs, filepath.Join(metadata, f.name), f.raw); err != nil {
			return fmt.Errorf("keep metadata: %w", err)
		}
		keep[f.name] = true
	}
	return r.prune(metadata, keep)
}

func (r *Repository) cacheTarget(ctx context.Context, targets, name string) error {
	t, err := r.Target(ctx, name)
	if err != nil {
		return err
	}
	resolved, err := resolve(name)
	if err != nil {
		return err
	}
	file := fileNames(resolved, t.digests().prefix())[0]
	return r.Download(ctx, name, filepath.Join(targets, filepath.FromSlash(file)), DownloadOptions{})
}

var versioned = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9]+\..+\.json$`) })

// prune removes metadata that nothing refers to any more. If it is interrupted,
// the next call does the rest.
func (r *Repository) prune(metadata string, keep map[string]bool) error {
	entries, err := os.ReadDir(metadata)
	if err != nil {
		return fmt.Errorf("clean kept metadata: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if e.Type().IsRegular() && versioned().MatchString(e.Name()) && !keep[e.Name()] {
			errs = append(errs, r.store.fs.Remove(filepath.Join(metadata, e.Name())))
		}
	}
	return errors.Join(errs...)
}
