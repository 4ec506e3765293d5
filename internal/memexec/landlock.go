package memexec

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ruleset is struct landlock_ruleset_attr: what is denied unless a rule allows
// it, and there is no rule.
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

// restrictFiles takes every file, socket and process away from this thread, for good.
func restrictFiles() error {
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
			return restrict(r.all, r.size)
		}
	}
	return errLacking
}

func restrict(r ruleset, size uintptr) error {
	fd, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&r)), size, 0)
	if errno != 0 {
		return fmt.Errorf("make rules: %w", errno)
	}
	defer unix.Close(int(fd))
	return raw(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0)
}
