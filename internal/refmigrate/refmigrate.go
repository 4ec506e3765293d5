package refmigrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/memexec"
	"github.com/hostler-os/hostler/internal/refstore"
	"github.com/hostler-os/hostler/migration"
)

// Is tells whether a program keeps the reference's contract. Such programs parse
// their own arguments and print them as their usage, so that the names are in
// them; those of ours know neither.
func Is(program *memexec.Program) (bool, error) {
	return program.Mentions("-source-datastore", "-target-datastore")
}

// Migration is one program and how it is to run.
type Migration struct {
	Program   *memexec.Program
	Sandbox   memexec.Sandbox
	Direction migration.Direction
}

// Outcome is what is known of a run, beside the document.
type Outcome struct {
	memexec.Result          // without output: it shows values, which may be secret
	Missing        []string // restrictions that the kernel lacks
	Ignored        []string // files that it has written whose names are no keys
}

// maxOutput bounds what a program may print, in bytes; nobody reads it.
const maxOutput = 4 << 20

// What a program finds in its root, and nothing else.
const (
	sourceFolder = "source" // to read
	targetFolder = "target"
	tempFolder   = "tmp"
)

// The folders of the two datastores. The target is not there yet.
const (
	source = sourceFolder + "/datastore"
	target = targetFolder + "/datastore"
)

// Run lets the program migrate the document. The error is a
// [*memexec.ExitError] if the program failed, or [memexec.ErrLimit]. After an
// error the document may be half changed.
func Run(ctx context.Context, m Migration, doc *migration.Document) (Outcome, error) {
	s, err := storeOf(doc)
	if err != nil {
		return Outcome{}, fmt.Errorf("write the settings as files: %w", err)
	}
	bytes, count := room(s)
	files := &memexec.Files{
		Bytes: bytes, Count: count,
		Read: []string{sourceFolder, "usr", "etc"}, Write: []string{targetFolder, tempFolder},
		Fill: func(dir string) error { return fill(dir, s, doc.OS) },
	}
	defer files.Close() // memory, of which all that counts was read
	out, err := m.run(ctx, files)
	if err != nil {
		return out, err
	}
	written, err := readTarget(files)
	if err != nil {
		return out, err
	}
	out.Ignored = written.Ignored
	return out, update(doc, written)
}

func (m Migration) run(ctx context.Context, files *memexec.Files) (out Outcome, err error) {
	m.Sandbox.Limits.Output = maxOutput
	p, err := m.Sandbox.StartWith(m.Program, files,
		m.Direction.Flag(), "--source-datastore", "/"+source, "--target-datastore", "/"+target)
	if err != nil {
		return out, err
	}
	out.Missing = p.Missing()
	out.Result, err = p.Run(ctx, nil)
	out.Output = nil
	return out, err
}

// fill lays out what the program finds: the source, folders to write to, and
// the image that is running.
func fill(dir string, s *refstore.Store, image migration.OS) error {
	for _, name := range []string{sourceFolder, targetFolder, tempFolder, "etc", "usr", "usr/lib"} {
		if err := os.Mkdir(dir+"/"+name, 0o755); err != nil {
			return err
		}
	}
	err := refstore.WriteFolder(durable.OS{}, dir+"/"+source, s)
	for _, name := range []string{"/usr/lib/os-release", "/etc/os-release"} {
		err = errors.Join(err, os.WriteFile(dir+name, []byte(osRelease(image)), 0o644), os.Chmod(dir+name, 0o644)) // whatever the mask is
	}
	return err
}

func readTarget(files *memexec.Files) (*refstore.Store, error) {
	root, err := os.OpenRoot(files.Dir())
	if err != nil {
		return nil, err
	}
	defer root.Close()
	s, err := refstore.ReadFolder(root, target)
	if _, missing := root.Lstat(target); errors.Is(missing, fs.ErrNotExist) {
		return nil, errors.New("it has written no datastore")
	}
	if err != nil {
		return nil, fmt.Errorf("read what it wrote: %w", err)
	}
	return s, nil
}
