package memexec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ruleset is struct landlock_ruleset_attr: what is denied unless a rule allows
// it. There are rules for files alone, and only where the program sees some.
type ruleset struct {
	files, network, scope uint64
}

// rulesets are the rights that each version of landlock knows, and the size of
// the structure that it takes.
var rulesets = []struct {
	abi  uintptr
	all  ruleset
	size uintptr
}{
	{6, ruleset{1<<16 - 1, 1<<2 - 1, 1<<2 - 1}, 24},
	{5, ruleset{1<<16 - 1, 1<<2 - 1, 0}, 16},
	{4, ruleset{1<<15 - 1, 1<<2 - 1, 0}, 16},
	{3, ruleset{files: 1<<15 - 1}, 8},
	{2, ruleset{files: 1<<14 - 1}, 8},
	{1, ruleset{files: 1<<13 - 1}, 8},
}

// What may be done with files: nothing is executed, and nothing made but files and folders.
const (
	mayRead  = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	mayWrite = mayRead | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_REFER |
		unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR
)

// restrictFiles takes every file but those that it was given, every socket and
// every process away from this thread, for good.
func restrictFiles(o orders) error {
	const askVersion = 1
	abi, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, askVersion)
	// Containers may forbid even to ask.
	if errors.Is(errno, unix.ENOSYS) || errors.Is(errno, unix.EOPNOTSUPP) || errors.Is(errno, unix.EPERM) {
		return errLacking
	}
	if errno != 0 {
		return errno
	}
	for _, r := range rulesets {
		if abi >= r.abi {
			return restrict(r.all, r.size, o.Files)
		}
	}
	return errLacking
}

func restrict(r ruleset, size uintptr, files *fileOrders) error {
	fd, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&r)), size, 0)
	if errno != 0 {
		return fmt.Errorf("make rules: %w", errno)
	}
	defer unix.Close(int(fd))
	if files != nil {
		if err := allow(fd, files.Read, mayRead&r.files); err != nil {
			return err
		}
		if err := allow(fd, files.Write, mayWrite&r.files); err != nil {
			return err
		}
	}
	return raw(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0)
}

// allow adds rules for folders in the root.
func allow(ruleset uintptr, folders []string, access uint64) error {
	for _, name := range folders {
		fd, err := unix.Open("/"+name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open /%s: %w", name, err)
		}
		err = allowBeneath(ruleset, fd, access)
		unix.Close(fd)
		if err != nil {
			return fmt.Errorf("add a rule for /%s: %w", name, err)
		}
	}
	return nil
}

// allowBeneath adds one rule: struct landlock_path_beneath_attr, which has no padding.
func allowBeneath(ruleset uintptr, folder int, access uint64) error {
	var rule [12]byte
	binary.NativeEndian.PutUint64(rule[:], access)
	binary.NativeEndian.PutUint32(rule[8:], uint32(folder))
	_, _, errno := unix.RawSyscall6(unix.SYS_LANDLOCK_ADD_RULE, ruleset, unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
