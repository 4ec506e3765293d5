package memexec

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rule lets a system call through. All of its conditions must hold; without
// any it is let through as it is.
type rule struct {
	call uintptr
	when []condition
}

// condition looks at the lower half of an argument, which is all that flags and
// numbers of files and processes use: the bits of mask must have this value.
type condition struct {
	argument    int
	mask, value uint32
}

// calls are what the runtimes of static programs need (Go, Rust, C) to read and
// write the files that they have, to manage memory and to run threads. All
// others fail: see restrictCalls.
func calls() []rule {
	const threads, namespaces = unix.CLONE_THREAD, unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS |
		unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET
	// Neither what grows downwards nor pages of the pool of large ones count where memory is limited.
	private := condition{3, unix.MAP_SHARED | unix.MAP_GROWSDOWN | unix.MAP_HUGETLB, 0}
	notExecutable := condition{2, unix.PROT_EXEC, 0}
	rules := []rule{
		{unix.SYS_CLONE, []condition{{0, threads | namespaces, threads}}},
		{unix.SYS_MMAP, []condition{private, notExecutable}},
		{unix.SYS_MPROTECT, []condition{notExecutable}},
		{unix.SYS_EXECVEAT, []condition{{0, ^uint32(0), programFD}, {4, ^uint32(0), unix.AT_EMPTY_PATH}}},
		{unix.SYS_PRLIMIT64, []condition{{0, ^uint32(0), 0}, {2, ^uint32(0), 0}}},
		{unix.SYS_PRCTL, []condition{{0, ^uint32(0), unix.PR_SET_NAME}}},
		{unix.SYS_PRCTL, []condition{{0, ^uint32(0), unix.PR_SET_VMA}}},
		{unix.SYS_TGKILL, []condition{{0, ^uint32(0), uint32(os.Getpid())}}},
	}
	for _, call := range append(plainCalls(), machineCalls()...) {
		rules = append(rules, rule{call: call})
	}
	return rules
}

func plainCalls() []uintptr {
	return []uintptr{
		unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_CLOSE, unix.SYS_LSEEK, unix.SYS_FSTAT,
		unix.SYS_FCNTL, unix.SYS_DUP, unix.SYS_DUP3, unix.SYS_PIPE2, unix.SYS_EVENTFD2,
		unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_PPOLL, unix.SYS_PSELECT6,
		unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_BRK,
		unix.SYS_FUTEX, unix.SYS_SET_ROBUST_LIST, unix.SYS_SET_TID_ADDRESS, unix.SYS_RSEQ, unix.SYS_MEMBARRIER,
		unix.SYS_GETTID, unix.SYS_GETPID, unix.SYS_GETPPID, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID,
		unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_GETCPU, unix.SYS_UNAME, unix.SYS_SYSINFO,
		unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_NANOSLEEP, unix.SYS_GETTIMEOFDAY,
		unix.SYS_GETRANDOM, unix.SYS_GETRUSAGE, unix.SYS_TIMES,
		unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK, unix.SYS_RESTART_SYSCALL,
		unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
	}
}

// setNonBlocking is the ioctl FIONBIO of every machine.
const setNonBlocking = 0x5421

// fileCalls are what runtimes need besides to work with files, and a pair of
// sockets, by which some wake themselves. Links and special files are not made,
// and no mode or owner is changed but with the file that has just been written.
func fileCalls() []rule {
	rules := []rule{
		{unix.SYS_SOCKETPAIR, []condition{{0, ^uint32(0), unix.AF_UNIX}}},
		{unix.SYS_IOCTL, []condition{{1, ^uint32(0), setNonBlocking}}},
	}
	plain := []uintptr{
		unix.SYS_OPENAT, unix.SYS_GETDENTS64, unix.SYS_NEWFSTATAT, unix.SYS_STATX, unix.SYS_FSTATFS, unix.SYS_STATFS,
		unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_READLINKAT, unix.SYS_GETCWD, unix.SYS_CHDIR, unix.SYS_FCHDIR, unix.SYS_UMASK,
		unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_FCHMOD, unix.SYS_FLOCK, unix.SYS_UTIMENSAT,
		unix.SYS_PREAD64, unix.SYS_PWRITE64, unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE, unix.SYS_FADVISE64,
		unix.SYS_COPY_FILE_RANGE, unix.SYS_SENDFILE, unix.SYS_SPLICE, unix.SYS_RECVFROM,
	}
	for _, call := range append(plain, machineFileCalls()...) {
		rules = append(rules, rule{call: call})
	}
	return rules
}

// restrictCalls lets this thread, and those that it will start, make no system
// calls but those in the table.
func restrictCalls(o orders) error {
	program := unix.SockFprog{Len: uint16(len(o.filter)), Filter: &o.filter[0]}
	err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
	if errors.Is(err, unix.EINVAL) {
		return errLacking
	}
	if err != nil {
		return fmt.Errorf("install filter: %w", err)
	}
	return nil
}

// assembleFor makes the filter that fits the orders.
func assembleFor(o orders) []unix.SockFilter {
	rules := calls()
	if o.Files != nil {
		rules = append(rules, fileCalls()...)
	}
	return assemble(rules)
}

// Where the kernel shows a filter what is called: struct seccomp_data.
const (
	offsetCall      = 0
	offsetMachine   = 4
	offsetArguments = 16
)

// assemble makes the filter. It is a list of rules, one after the other: those
// for other calls are jumped over, and the first that holds allows. clone3 is
// said to be missing, so that runtimes take clone, whose flags can be seen.
func assemble(rules []rule) []unix.SockFilter {
	const deny = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	f := []unix.SockFilter{
		load(offsetMachine), jumpEqual(machine, 1, 0), give(unix.SECCOMP_RET_KILL_PROCESS),
		load(offsetCall), jumpEqual(unix.SYS_CLONE3, 0, 1), give(unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)),
	}
	for _, r := range rules {
		f = append(f, r.assemble()...)
	}
	return append(f, give(deny))
}

// assemble makes a rule's part. It begins and ends with the call's number in
// the accumulator.
func (r rule) assemble() []unix.SockFilter {
	if len(r.when) == 0 {
		return []unix.SockFilter{jumpEqual(uint32(r.call), 0, 1), give(unix.SECCOMP_RET_ALLOW)}
	}
	const size = 3 // instructions of a condition
	body := size * len(r.when)
	f := []unix.SockFilter{jumpEqual(uint32(r.call), 0, uint8(body+2))}
	for i, c := range r.when {
		left := uint8(body - size*(i+1) + 1) // to the end, over the other conditions and what allows
		f = append(f, load(uint32(offsetArguments+8*c.argument)), and(c.mask), jumpEqual(c.value, 0, left))
	}
	return append(f, give(unix.SECCOMP_RET_ALLOW), load(offsetCall))
}

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

func and(mask uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: mask}
}

// jumpEqual goes on, or jumps that many instructions, as the accumulator is value or not.
func jumpEqual(value uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: yes, Jf: no, K: value}
}

func give(result uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: result}
}
