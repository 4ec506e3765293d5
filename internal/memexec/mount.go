package memexec

import (
	"errors"
	"fmt"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// largest is the size of the largest file that can be written, in bytes.
func (o *fileOrders) largest() uint64 {
	if o == nil {
		return 0
	}
	return uint64(o.Bytes)
}

// putFiles makes the file system, hands it over, waits until it was filled, and
// makes it the root of this process.
func putFiles(all orders) error {
	o := all.Files
	if o == nil {
		return nil
	}
	mount, err := mountFiles(o)
	if err != nil {
		return fmt.Errorf("make a file system in memory (root or a user namespace may, with Linux 5.2 or later): %w", err)
	}
	if err := unix.Sendmsg(filesFD, []byte{0}, unix.UnixRights(mount), nil, 0); err != nil {
		return fmt.Errorf("hand over: %w", err)
	}
	var answer [1]byte
	if n, err := unix.Read(filesFD, answer[:]); n != 1 {
		return fmt.Errorf("wait until it was filled: %w", errors.Join(syscall.EPIPE, err))
	}
	if err := unix.Fchdir(mount); err != nil {
		return err
	}
	return unix.Chroot(".")
}

// mountFiles makes the file system without attaching it anywhere.
func mountFiles(o *fileOrders) (mount int, err error) {
	fd, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fd)
	for _, option := range [][2]string{
		{"size", strconv.FormatInt(o.Bytes, 10)}, {"nr_inodes", strconv.FormatInt(o.Count, 10)}, {"mode", "0755"},
	} {
		if err := unix.FsconfigSetString(fd, option[0], option[1]); err != nil {
			return -1, fmt.Errorf("%s: %w", option[0], err)
		}
	}
	if err := unix.FsconfigCreate(fd); err != nil {
		return -1, err
	}
	return unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC)
}
