package slot

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/pelletier/go-toml/v2"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/paths"
)

// ErrNoDisk is returned for a root that is not the running host's and names no disk.
var ErrNoDisk = errors.New("a folder has no slots of its own")

// maxDiskFile bounds the file that names a root's disk, in bytes.
const maxDiskFile = 64 << 10

// diskFile is what the file [paths.Root.Disk] says.
type diskFile struct {
	Disk   string `toml:"disk"`   // path; a relative one begins at the root
	Active string `toml:"active"` // the set that counts as the running one
}

// OptionError is an error of the options --disk and --active.
type OptionError string

func (e OptionError) Error() string { return string(e) }

// Named is the disk that the options --disk and --active of a program name or,
// without them, that [Of] the root. Wrong options are an [OptionError].
func Named(root paths.Root, disk, active string) (*Disk, error) {
	switch {
	case disk == "" && active == "":
		return Of(root)
	case disk == "" || active == "":
		return nil, OptionError("--disk and --active go together: which disk, and which set counts as the running one")
	}
	name, err := ParseName(active)
	if err != nil {
		return nil, OptionError("--active: " + err.Error())
	}
	return At(disk, name)
}

// Of is the disk of a root: the one that the host runs from or, for any other
// root, the image that its file etc/hostler/disk.toml names.
func Of(root paths.Root) (*Disk, error) {
	if root.IsHost() {
		return Running()
	}
	text, err := durable.ReadFile(root.Disk(), maxDiskFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("find disk of %s: %w; hostler sandbox disk FILE --for DIR gives it a disk", root, ErrNoDisk)
	}
	if err != nil {
		return nil, fmt.Errorf("find disk of %s: %w", root, err)
	}
	f := diskFile{Active: "A"}
	if err := toml.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("find disk of %s: read %s: %w", root, root.Disk(), err)
	}
	active, err := ParseName(f.Active)
	if err != nil {
		return nil, fmt.Errorf("find disk of %s: %s: active: %w", root, root.Disk(), err)
	}
	if !filepath.IsAbs(f.Disk) {
		f.Disk = root.Join(f.Disk)
	}
	return At(f.Disk, active)
}

// Assign makes the disk or image file at path that of a root other than the
// host's, with active as the set that counts as the running one.
func Assign(root paths.Root, path string, active Name) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("assign disk to %s: %w", root, err)
	}
	text, err := toml.Marshal(diskFile{path, active.String()})
	if err != nil {
		return err
	}
	attributes := durable.Attributes{Mode: 0o644, UID: durable.Keep, GID: durable.Keep}
	if err := durable.WriteFile(durable.OS{}, root.Disk(), text, attributes); err != nil {
		return fmt.Errorf("assign disk to %s: %w", root, err)
	}
	return nil
}
