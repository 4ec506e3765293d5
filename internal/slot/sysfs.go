package slot

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// sysfs is the kernel's view of block devices: the folder /sys.
type sysfs struct{ fs.FS }

// device is a block device: a path below /sys, such as dev/block/259:3.
type device string

// deviceOf is the device of a number as the kernel encodes it: a minor number
// may have 20 bits.
func deviceOf(number uint64) device {
	return device(fmt.Sprintf("dev/block/%d:%d", unix.Major(number), unix.Minor(number)))
}

// name is the kernel's name of a device: the last part of where its link leads.
func (s sysfs) name(d device) (string, error) {
	_, name, err := s.names(d)
	return name, err
}

// names are those of a device and of what it lies in, its disk if it is a partition.
func (s sysfs) names(d device) (parent, name string, err error) {
	target, err := fs.ReadLink(s.FS, string(d))
	if err != nil {
		return "", "", err
	}
	return path.Base(path.Dir(target)), path.Base(target), nil
}

// node is the path of a device's node: the kernel writes ! for / in names.
func node(name string) string { return "/dev/" + strings.ReplaceAll(name, "!", "/") }

// attribute reads a small file of a device.
func (s sysfs) attribute(d device, name string) (string, error) {
	f, err := s.Open(path.Join(string(d), name))
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	return strings.TrimSpace(string(text)), err
}

// partitionNumber is the number of a partition, or 0 if the device is none.
func (s sysfs) partitionNumber(d device) int {
	text, err := s.attribute(d, "partition")
	if err != nil {
		return 0
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 {
		return 0
	}
	return number
}

// maxDepth is how many devices may lie on top of each other.
const maxDepth = 8

// lowest are the devices that d rests on in the end, d itself if it rests on
// none, in the order of their names.
func (s sysfs) lowest(d device, depth int) ([]device, error) {
	below, err := s.below(d)
	if err != nil {
		return nil, err
	}
	if len(below) == 0 {
		return []device{d}, nil
	}
	if depth == maxDepth {
		return nil, fmt.Errorf("%s: more than %d devices on top of each other", d, maxDepth)
	}
	var all []device
	for _, b := range below {
		found, err := s.lowest(b, depth+1)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// below are the devices that d is made of, such as those of a dm-verity device.
func (s sysfs) below(d device) ([]device, error) {
	folder := path.Join(string(d), "slaves")
	if _, err := fs.Stat(s.FS, folder); err != nil {
		// Partitions have no such folder.
		if _, err := fs.Stat(s.FS, string(d)); err != nil {
			return nil, err
		}
		return nil, nil
	}
	entries, err := fs.ReadDir(s.FS, folder)
	if err != nil {
		return nil, err
	}
	var all []device
	for _, e := range entries {
		number, err := s.attribute(device(folder), path.Join(e.Name(), "dev"))
		if err != nil {
			return nil, err
		}
		all = append(all, device("dev/block/"+number))
	}
	return all, nil
}

// partitions maps the numbers of a disk's partitions that the kernel knows to their nodes.
func (s sysfs) partitions(disk device) (map[int]string, error) {
	entries, err := fs.ReadDir(s.FS, string(disk))
	if err != nil {
		return nil, err
	}
	nodes := map[int]string{}
	for _, e := range entries {
		if number := s.partitionNumber(device(path.Join(string(disk), e.Name()))); e.IsDir() && number > 0 {
			nodes[number] = node(e.Name())
		}
	}
	return nodes, nil
}
