package slot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/gpt"
)

// CreateImage makes a disk image at path, laid out as [NewTable] says. The file
// is sparse: it takes the place of its table, until something is written into
// its partitions. A file that exists is an error with fs.ErrExist.
func CreateImage(path string, size int64, sectorSize int) error {
	return Plan{Size: size, SectorSize: sectorSize}.Create(path)
}

// Create is [CreateImage] of the plan.
func (p Plan) Create(path string) error {
	t, err := p.Table()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	err = f.Truncate(t.Size)
	if err == nil {
		err = gpt.Format(f, t)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("make disk image %s: %w", path, err), os.Remove(path))
	}
	return durable.OS{}.SyncDir(filepath.Dir(path))
}
