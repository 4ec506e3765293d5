package memexec

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Stage is the name that a program starts itself by to become another one.
const Stage = "hostler-memexec"

// Whatever program links this package can become a stage, before anything of
// its own begins: one that forgot to ask would run itself instead, tests whole
// suites. This is the only work at import in the suite.
func init() {
	if len(os.Args) == 2 && os.Args[0] == Stage {
		os.Exit(runStage(os.Args[1]))
	}
}

// runStage restricts this process and becomes the program in the file that it
// has inherited. It returns only if it fails, with an exit code.
func runStage(orders string) int {
	// All of it happens in one thread: what Linux restricts are threads. The
	// others vanish with exec.
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
	report := os.NewFile(reportFD, "report")
	if report == nil {
		return 1
	}
	if err := stage(orders, report); err != nil {
		errno, _ := errors.AsType[syscall.Errno](err)
		fmt.Fprintf(report, "%s%d %v\n", wordFailed, int(errno), err)
	}
	return 1
}

// layer is one thing that is put on. One that the kernel lacks is left out.
type layer struct {
	name string
	put  func(orders) error
}

// Limits come late: that of memory counts what this process holds, and under
// the race detector it holds so much that it can get no more. See orders.filter.
var layers = []layer{
	{"files", putFiles},
	{"identity", changeIdentity},
	{"death with the parent", func(orders) error { return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0) }},
	{"no_new_privs", func(orders) error { return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }},
	{"landlock", restrictFiles},
	{"limits", setLimits},
	{"seccomp", restrictCalls},
}

func stage(text string, report *os.File) error {
	var o orders
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return fmt.Errorf("read orders: %w", err)
	}
	o.filter = assembleFor(o)
	closeOnExec()
	args, err := pointers(o.Args)
	if err != nil {
		return err
	}
	for _, l := range layers {
		if slices.Contains(o.Without, l.name) {
			continue
		}
		err := l.put(o)
		if errors.Is(err, errLacking) {
			fmt.Fprintf(report, "%s%s\n", wordMissing, l.name)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
	}
	return become(args)
}

// closeOnExec keeps all files but the standard ones from the program: also those
// that whoever started our caller left open.
func closeOnExec() {
	if unix.CloseRange(programFD, 1<<31-1, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	for fd := range 1 << 16 { // a kernel before 5.11
		if fd >= programFD {
			unix.CloseOnExec(fd)
		}
	}
}

// errLacking is returned for a layer that this kernel does not have.
var errLacking = errors.New("not in this kernel")

func pointers(args []string) ([]*byte, error) {
	list := make([]*byte, len(args)+1)
	for i, a := range args {
		p, err := unix.BytePtrFromString(a)
		if err != nil {
			return nil, err
		}
		list[i] = p
	}
	return list, nil
}

// become executes the inherited file itself, not something at a path. It is the
// last system call that the filter still lets through for it.
func become(args []*byte) error {
	var path [1]byte
	var environment [1]*byte
	_, _, errno := unix.RawSyscall6(unix.SYS_EXECVEAT, programFD, uintptr(unsafe.Pointer(&path[0])),
		uintptr(unsafe.Pointer(&args[0])), uintptr(unsafe.Pointer(&environment[0])), unix.AT_EMPTY_PATH, 0)
	runtime.KeepAlive(args)
	return fmt.Errorf("execute (a static executable for this machine is needed): %w", errno)
}

// maxThreads also counts what else runs as that user, where it has no namespace of its own.
const maxThreads = 1024

// addressSpace is how much may be reserved, in bytes: much more than is used, as
// Go does, but not so much that the tables of its pages would fill memory.
const addressSpace = 32 << 30

// setLimits sets the hard limits too, so that they stay.
func setLimits(o orders) error {
	limits := []struct {
		what  int
		value uint64
	}{
		{unix.RLIMIT_CPU, o.CPU},
		{unix.RLIMIT_DATA, o.Memory},
		{unix.RLIMIT_AS, o.Memory + addressSpace},
		{unix.RLIMIT_CORE, 0},
		{unix.RLIMIT_FSIZE, o.Files.largest()},
		{unix.RLIMIT_NOFILE, 64},
		{unix.RLIMIT_MEMLOCK, 0},
		{unix.RLIMIT_STACK, 8 << 20},
		{unix.RLIMIT_MSGQUEUE, 0},
		{unix.RLIMIT_NPROC, maxThreads},
	}
	for _, l := range limits {
		var now unix.Rlimit
		if err := unix.Getrlimit(l.what, &now); err != nil {
			return err
		}
		value := min(l.value, now.Max)
		if err := unix.Setrlimit(l.what, &unix.Rlimit{Cur: value, Max: value}); err != nil {
			return fmt.Errorf("limit %d: %w", l.what, err)
		}
	}
	return nil
}

// changeIdentity gives up every privilege, those that it could win back too.
func changeIdentity(o orders) error {
	if !o.Root {
		// In a user namespace of its own it has capabilities until it executes,
		// as another than root; elsewhere it had none.
		return dropCapabilities(false)
	}
	if err := dropCapabilities(true); err != nil {
		return err
	}
	if err := raw(unix.SYS_SETGROUPS, 0, 0, 0); err != nil {
		return fmt.Errorf("drop groups: %w", err)
	}
	if err := raw(unix.SYS_SETRESGID, nobody, nobody, nobody); err != nil {
		return fmt.Errorf("change group: %w", err)
	}
	if err := raw(unix.SYS_SETRESUID, nobody, nobody, nobody); err != nil {
		return fmt.Errorf("change user: %w", err)
	}
	return dropCapabilities(false)
}

// lastCapability is more than any kernel has.
const lastCapability = 63

// dropCapabilities empties the bounding set, or all the others.
func dropCapabilities(bounding bool) error {
	if bounding {
		for c := range uintptr(lastCapability + 1) {
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
				return fmt.Errorf("drop capability %d: %w", c, err)
			}
		}
		return nil
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("drop ambient capabilities: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}

// raw makes a system call in this thread alone, where package syscall would
// make it in all.
func raw(number, a, b, c uintptr) error {
	if _, _, errno := unix.RawSyscall(number, a, b, c); errno != 0 {
		return errno
	}
	return nil
}
