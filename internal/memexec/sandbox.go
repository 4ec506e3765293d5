package memexec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Sandbox is how programs are run. The zero value is ready to use.
type Sandbox struct {
	Limits Limits

	// without leaves out layers, for tests that show what the others hold.
	without []string
}

// orders are what the stage is told, as JSON in its only argument.
type orders struct {
	Args    []string `json:"args"`
	CPU     uint64   `json:"cpu"`    // seconds
	Memory  uint64   `json:"memory"` // bytes
	Root    bool     `json:"root"`   // it can change its identity
	User    bool     `json:"user"`   // it has a user namespace of its own
	Without []string `json:"without,omitempty"`

	Files *fileOrders `json:"files,omitempty"` // nil: it sees none

	filter []unix.SockFilter // made by the stage before its memory is limited
}

// Start starts a program, which then waits for its document. It is given the
// arguments after its name, and an empty environment. The caller calls Run or
// Kill of the process in any case.
func (s *Sandbox) Start(program *Program, args ...string) (*Process, error) {
	return s.StartWith(program, nil, args...)
}

// StartWith is Start for a program that also sees files: those alone.
func (s *Sandbox) StartWith(program *Program, files *Files, args ...string) (*Process, error) {
	p, err := s.start(program, files, args)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", program.name, err)
	}
	return p, nil
}

func (s *Sandbox) start(program *Program, files *Files, args []string) (*Process, error) {
	root := os.Geteuid() == 0
	var missing []string
	for _, a := range s.attempts(root) {
		o := orders{Root: root, User: a.flags&unix.CLONE_NEWUSER != 0, Files: files.orders()}
		if o.User && files != nil {
			a.flags |= unix.CLONE_NEWNS // whoever mounts must own one
		}
		p, err := s.startIn(program, files, args, o, a.flags)
		if err == nil {
			p.missing = append(missing, p.missing...)
			return p, nil
		}
		if a.otherwise == "" || !refused(err) {
			return nil, err
		}
		missing = append(missing, fmt.Sprintf("%s (%s)", a.otherwise, cause(err)))
	}
	return nil, errors.ErrUnsupported // not reached: the last attempt returns
}

// attempt is a set of namespaces, and what is missing where it is refused.
type attempt struct {
	flags     uintptr
	otherwise string
}

// attempts are the sets of namespaces to try, the best first. Nobody but root
// may make the others without that of users.
func (s *Sandbox) attempts(root bool) []attempt {
	// None of files and of IPC: nothing can be opened, mounted or attached to in
	// either, and to end them costs milliseconds.
	const others = unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWUTS
	none := attempt{}
	switch {
	case slices.Contains(s.without, "namespaces"):
		return []attempt{none}
	case root:
		// Root gives up its identity without one of users, whose making would copy
		// the page tables of the caller.
		return []attempt{{others, "namespaces"}, none}
	}
	return []attempt{{others | unix.CLONE_NEWUSER, "namespaces"}, none}
}

// refused tells whether an error is one of namespaces that may not be made.
func refused(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EUSERS) || errors.Is(err, unix.EACCES)
}

func cause(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	return err.Error()
}

// nobody is the user and group that programs run as.
const nobody = 65534

// The stage's files beside the three standard ones.
const (
	programFD = 3
	reportFD  = 4
	filesFD   = 5 // a socket, where there are files
)

func (s *Sandbox) startIn(program *Program, files *Files, args []string, o orders, flags uintptr) (*Process, error) {
	limits := s.Limits.filled()
	o.Args = append([]string{program.name}, args...)
	o.CPU, o.Memory, o.Without = uint64(limits.CPU.Seconds()+0.5), uint64(limits.Memory), s.without
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	w, err := newWires(files != nil)
	if err != nil {
		return nil, err
	}
	defer w.close()
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{Stage, string(text)}, Env: []string{}, Dir: "/",
		ExtraFiles:  append([]*os.File{program.file}, w.stages...),
		SysProcAttr: attributes(o, flags),
	}
	p := newProcess(program.name, cmd, limits)
	err = p.start()
	closeAll(w.stages)
	if err != nil {
		return nil, err
	}
	if files != nil {
		err = files.serve(w.socket, o.Root)
	}
	if err == nil {
		p.missing, err = readReport(w.report)
	}
	if err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}

// wires lead to the stage: a pipe for its report, a socket for files if there are any.
type wires struct {
	report, socket *os.File
	stages         []*os.File // their other ends
}

func newWires(files bool) (*wires, error) {
	report, end, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	w := &wires{report: report, stages: []*os.File{end}}
	if !files {
		return w, nil
	}
	socket, end, err := socketPair()
	if err != nil {
		w.close()
		return nil, err
	}
	w.socket, w.stages = socket, append(w.stages, end)
	return w, nil
}

func (w *wires) close() { closeAll(append(w.stages, w.report, w.socket)) }

// closeAll closes files that are only given up: nothing was written that could get lost.
func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

func attributes(o orders, flags uintptr) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true, Cloneflags: flags}
	if !o.User {
		return a
	}
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Geteuid(), Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getegid(), Size: 1}}
	if o.Files != nil { // the stage keeps what it needs to make them, until changeIdentity
		a.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SYS_CHROOT}
	}
	return a
}

// The words that the stage's lines begin with.
const (
	wordMissing = "missing "
	wordFailed  = "failed "
)

// readReport reads what the stage says, until it becomes the program, which
// closes the pipe. A failure carries the number of the system's error.
func readReport(r io.Reader) (missing []string, err error) {
	text, err := io.ReadAll(io.LimitReader(r, 64<<10))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if what, ok := strings.CutPrefix(line, wordMissing); ok {
			missing = append(missing, what)
		}
		if what, ok := strings.CutPrefix(line, wordFailed); ok {
			number, what, _ := strings.Cut(what, " ")
			n, _ := strconv.Atoi(number)
			errno := syscall.Errno(n)
			return nil, fmt.Errorf("%s: %w", strings.TrimSuffix(what, ": "+errno.Error()), errno)
		}
	}
	return missing, nil
}

// Run starts a program, hands it the document and returns its answer.
func (s *Sandbox) Run(ctx context.Context, program *Program, document []byte, args ...string) (Result, error) {
	p, err := s.Start(program, args...)
	if err != nil {
		return Result{}, err
	}
	return p.Run(ctx, document)
}
