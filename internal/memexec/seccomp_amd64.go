package memexec

import "golang.org/x/sys/unix"

// machine is the only one whose calls the filter understands. Calls of the x32
// kind have numbers that no rule names.
const machine = unix.AUDIT_ARCH_X86_64

// machineCalls are those that other machines do not have.
func machineCalls() []uintptr {
	return []uintptr{unix.SYS_ARCH_PRCTL, unix.SYS_EPOLL_WAIT, unix.SYS_POLL, unix.SYS_DUP2, unix.SYS_PIPE, unix.SYS_TIME}
}

// machineFileCalls are those for files that other machines do not have.
func machineFileCalls() []uintptr {
	return []uintptr{
		unix.SYS_OPEN, unix.SYS_CREAT, unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_ACCESS, unix.SYS_READLINK, unix.SYS_MKDIR, unix.SYS_RMDIR,
		unix.SYS_UNLINK, unix.SYS_RENAME, unix.SYS_GETDENTS,
	}
}
