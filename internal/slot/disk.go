package slot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/hostler-os/hostler/internal/gpt"
	"github.com/hostler-os/hostler/internal/paths"
)

// Disk is a disk with sets, one of which is active.
type Disk struct {
	Path string // of its node, or of an image file

	image   bool
	nodes   map[int]string // of the partitions that the kernel knows, by number
	active  Name           // of a disk that the host does not run from
	running []int          // numbers of the partitions that the host runs from; none: see active
}

// Running finds the disk that holds the root file system of the running host,
// through dm-verity and partitions, and which of its partitions that is.
func Running() (*Disk, error) {
	info, err := os.Stat("/")
	if err != nil {
		return nil, err
	}
	return find(os.DirFS(paths.Host.Join("/sys")), uint64(info.Sys().(*syscall.Stat_t).Dev))
}

// find is Running with sys as /sys and the number of the root file system's device.
func find(sys fs.FS, number uint64) (*Disk, error) {
	s, root := sysfs{sys}, deviceOf(number)
	name, err := s.name(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("find OS disk: the root file system is on no block device (%s)", root)
	}
	if err != nil {
		return nil, fmt.Errorf("find OS disk: %w", err)
	}
	lowest, err := s.lowest(root, 0)
	if err != nil {
		return nil, fmt.Errorf("find OS disk below %s: %w", node(name), err)
	}
	d := &Disk{}
	for _, l := range lowest {
		if err := d.runsFrom(s, root, l); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// runsFrom notes that the host runs from the partition l, and its disk.
func (d *Disk) runsFrom(s sysfs, root, l device) error {
	parent, name, err := s.names(l)
	if err != nil {
		return fmt.Errorf("find OS disk: %w", err)
	}
	number := s.partitionNumber(l)
	switch {
	case number == 0 && l == root:
		return fmt.Errorf("find OS disk: root device %s is no partition and rests on none", node(name))
	case number == 0:
		return fmt.Errorf("find OS disk: block device %s is not a partition", node(name))
	case d.Path == "":
		d.Path = node(parent)
		if d.nodes, err = s.partitions(device("block/" + parent)); err != nil {
			return fmt.Errorf("find partitions of %s: %w", d.Path, err)
		}
	case d.Path != node(parent):
		return fmt.Errorf("find OS disk: root device rests on partitions of %s and of %s", d.Path, node(parent))
	}
	d.running = append(d.running, number)
	return nil
}

// At is the disk or image file at path, from which the host does not run; active
// is the set that is to count as the running one.
func At(path string, active Name) (*Disk, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	d := &Disk{Path: path, active: active, image: info.Mode().IsRegular()}
	d.nodes = nodesOf(info)
	return d, nil
}

// nodesOf are the partitions of a disk that the kernel knows. Without them, they have
// the names that it would give.
func nodesOf(info fs.FileInfo) map[int]string {
	if info.Mode().Type() != fs.ModeDevice {
		return nil
	}
	nodes, _ := sysfs{os.DirFS(paths.Host.Join("/sys"))}.partitions(deviceOf(uint64(info.Sys().(*syscall.Stat_t).Rdev)))
	return nodes
}

// Mend repairs a damaged copy of the table and makes the kernel know the disk's
// partitions, for those who start a host; see [gpt.Disk.Mend]. It tells whether the table had to be repaired.
func (d *Disk) Mend(ctx context.Context) (mended bool, err error) {
	disk, err := gpt.Open(d.Path, gpt.ReadWrite)
	if err != nil {
		return false, fmt.Errorf("mend partition table: %w", err)
	}
	defer func() { err = errors.Join(err, disk.Close()) }()
	mended, err = disk.Mend(ctx)
	if info, failed := os.Stat(d.Path); failed == nil {
		d.nodes = nodesOf(info)
	}
	return mended, d.explain(err)
}

// node is the path of a partition's node; for an image file one that does not exist.
func (d *Disk) node(number int) (string, error) {
	if path, ok := d.nodes[number]; ok {
		return path, nil
	}
	if len(d.running) > 0 {
		return "", fmt.Errorf("find partition %d of %s: the kernel does not know it", number, d.Path)
	}
	separator := "p"
	if !d.image && !strings.ContainsAny(d.Path[len(d.Path)-1:], "0123456789") {
		separator = ""
	}
	return fmt.Sprintf("%s%s%d", d.Path, separator, number), nil
}

// activeIn is the set that runs, in a table with layout l.
func (d *Disk) activeIn(l Layout) (Name, error) {
	if len(d.running) == 0 {
		if d.active == B && l.Single {
			return B, fmt.Errorf("find active set: %s has no set B", d.Path)
		}
		return d.active, nil
	}
	found := map[Name]bool{}
	for _, number := range d.running {
		if name, ok := l.owner(number); ok {
			found[name] = true
		}
	}
	switch {
	case found[A] && found[B]:
		return A, fmt.Errorf("find active set: root device rests on partitions of both sets of %s", d.Path)
	case !found[A] && !found[B]:
		path, _ := d.node(d.running[0])
		return A, fmt.Errorf("find active set: %s is in neither set of %s (%s)", path, d.Path, l)
	case found[B]:
		return B, nil
	}
	return A, nil
}

func (l Layout) String() string {
	text := fmt.Sprintf("A: partitions %v", l.Sets[A])
	if !l.Single {
		text += fmt.Sprintf(", B: partitions %v", l.Sets[B])
	}
	return text
}

// Change makes a change of the flags, with the disk locked, so that it survives
// power loss; see package gpt. It tells whether anything had to be written. A
// damaged copy of the table is repaired.
func (d *Disk) Change(ctx context.Context, change Change) (written bool, err error) {
	disk, err := gpt.Open(d.Path, gpt.ReadWrite)
	if err != nil {
		return false, fmt.Errorf("change boot flags: %w", err)
	}
	defer func() { err = errors.Join(err, disk.Close()) }()
	written, err = disk.Update(ctx, func(t *gpt.Table) error { return d.apply(t, change) })
	return written, d.explain(err)
}

func (d *Disk) apply(t *gpt.Table, change Change) error {
	l, err := LayoutOf(t)
	if err != nil {
		return err
	}
	active, err := d.activeIn(l)
	if err != nil {
		return err
	}
	return l.apply(t, active, change)
}

// explain names the disk in errors that do not.
func (d *Disk) explain(err error) error {
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		refusal.Disk = d.Path
		return refusal
	}
	if errors.Is(err, gpt.ErrNoTable) {
		return fmt.Errorf("read partition table of %s: %w", d.Path, err)
	}
	return err
}
