package verity

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Open makes the device name out of the partitions data and hash, and returns
// its node. It reads nothing of the data: a block that does not match is found
// when it is read, and reboots the machine.
func Open(name, data, hash string, root []byte) (node string, err error) {
	tree, err := os.Open(hash)
	if err != nil {
		return "", err
	}
	s, err := ReadSuperblock(tree)
	if err := errors.Join(err, tree.Close()); err != nil {
		return "", fmt.Errorf("%s: %w", hash, err)
	}
	control, err := os.OpenFile("/dev/mapper/control", os.O_RDWR, 0)
	if err != nil {
		return "", fmt.Errorf("make verity device: %w", err)
	}
	defer control.Close()
	if node, err = makeDevice(int(control.Fd()), name, s.sectors(), s.table(data, hash, root)); err != nil {
		return "", fmt.Errorf("make verity device of %s and %s: %w", data, hash, err)
	}
	return node, nil
}

// The kernel's interface, linux/dm-ioctl.h: a header of 312 bytes, what it
// describes behind it.
const (
	headerSize = 312
	roomBehind = 16 << 10 // for what comes back
	nameAt     = 48
	nameSize   = 128
	specSize   = 40

	readOnly = 1 << 0

	create  = 3
	remove  = 4
	suspend = 6 // without its flag: resume
	load    = 9
)

// makeDevice creates a read-only device with one verity target.
func makeDevice(control int, name string, sectors uint64, table string) (string, error) {
	if len(name) >= nameSize {
		return "", fmt.Errorf("its name has %d bytes, more than %d", len(name), nameSize-1)
	}
	number, err := request(control, create, name, readOnly, nil)
	if err != nil {
		return "", fmt.Errorf("create: %w", err)
	}
	if _, err = request(control, load, name, readOnly, target(sectors, table)); err == nil {
		_, err = request(control, suspend, name, 0, nil)
	}
	if err != nil {
		_, gone := request(control, remove, name, 0, nil)
		return "", errors.Join(fmt.Errorf("load table %q: %w", table, err), gone)
	}
	return fmt.Sprintf("/dev/dm-%d", unix.Minor(number)), nil
}

// target is a struct dm_target_spec with its parameters, padded to 8 bytes.
func target(sectors uint64, table string) []byte {
	size := (specSize + len(table) + 1 + 7) / 8 * 8
	b := make([]byte, size)
	binary.LittleEndian.PutUint64(b[8:], sectors)
	binary.LittleEndian.PutUint32(b[20:], uint32(size)) // where the next one would be
	copy(b[24:40], "verity")
	copy(b[specSize:], table)
	return b
}

// request is one ioctl; number is the device's.
func request(control int, command uintptr, name string, flags uint32, spec []byte) (number uint64, err error) {
	b := make([]byte, headerSize+len(spec)+roomBehind)
	le := binary.LittleEndian
	le.PutUint32(b, 4) // the version of the interface: 4.0.0
	le.PutUint32(b[12:], uint32(len(b)))
	le.PutUint32(b[16:], headerSize)
	if spec != nil {
		le.PutUint32(b[20:], 1)
	}
	le.PutUint32(b[28:], flags)
	copy(b[nameAt:nameAt+nameSize], name)
	copy(b[headerSize:], spec)
	// _IOWR(0xfd, command, struct dm_ioctl)
	code := uintptr(3<<30 | headerSize<<16 | 0xfd<<8 | command)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(control), code, uintptr(unsafe.Pointer(&b[0]))); errno != 0 {
		return 0, errno
	}
	return le.Uint64(b[40:]), nil
}
