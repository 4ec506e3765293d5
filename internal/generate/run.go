package generate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/excerpt"
	"github.com/hostler-os/hostler/internal/shellwords"
)

const (
	maxOutput = 1 << 20 // bytes of the value
	maxStderr = 4 << 10 // how much of the end of standard error is kept
	pipeGrace = time.Second
)

// exitDecline is the exit status of a generator, as in the reference, that has no
// value for this host; also of one that was called wrongly, alas.
const exitDecline = 2

// Runner runs generators.
type Runner struct {
	Parallel int                                        // at a time
	Env      []string                                   // added to the environment
	Builtin  func(name string) cli.Program              // programs of our own, run in this process; nil: none
	Find     func(name string) (path string, err error) // where a program is; nil: in PATH
}

// Outcome is how a generator ended.
type Outcome uint8

// The outcomes.
const (
	Generated Outcome = iota
	Declined
	Failed
)

// Result is what became of one generator.
type Result struct {
	Generator
	Outcome Outcome
	Value   []byte // one JSON value, where Generated
	Reason  string // why not
	Stderr  string
	Took    time.Duration
}

// Run runs generators side by side and returns their results in the same order.
func (r *Runner) Run(ctx context.Context, generators []Generator) []Result {
	results := make([]Result, len(generators))
	slots := make(chan struct{}, max(1, r.Parallel))
	var wg sync.WaitGroup
	for i, g := range generators {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			results[i] = r.one(ctx, g)
		})
	}
	wg.Wait()
	return results
}

// errDeadline is the cause of a context that a generator's deadline ended.
var errDeadline = errors.New("deadline")

func (r *Runner) one(ctx context.Context, g Generator) Result {
	result := Result{Generator: g, Outcome: Failed}
	args, err := shellwords.Split(g.Command)
	if err != nil {
		result.Reason = fmt.Sprintf("Failed to start generator '%s': %v", g.Command, err)
		return result
	}
	ctx, cancel := context.WithTimeoutCause(ctx, g.Deadline, errDeadline)
	defer cancel()
	began := time.Now()
	p := process{out: excerpt.Head{Limit: maxOutput}, err: excerpt.Tail{Limit: maxStderr}}
	code, err := r.start(ctx, args, &p)
	result.Took = time.Since(began)
	result.Stderr = p.err.String()
	result.judge(ctx, code, err, &p.out)
	return result
}

// process is what a running generator writes to.
type process struct {
	out excerpt.Head
	err excerpt.Tail
}

func (r *Runner) start(ctx context.Context, args []string, p *process) (int, error) {
	if r.Builtin != nil {
		if program := r.Builtin(args[0]); program != nil {
			return inProcess(ctx, program, args, p)
		}
	}
	return r.execute(ctx, args, p)
}

// inProcess runs one of our own programs. It ends soon after its context does.
func inProcess(ctx context.Context, program cli.Program, args []string, p *process) (int, error) {
	code := program(ctx, args, cli.Streams{In: strings.NewReader(""), Out: &p.out, Err: &p.err})
	return code, nil
}

func (r *Runner) execute(ctx context.Context, args []string, p *process) (int, error) {
	path := args[0]
	if r.Find != nil {
		var err error
		if path, err = r.Find(path); err != nil {
			return 0, err
		}
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	p.out.Full = stop // whoever floods us is ended
	cmd := exec.CommandContext(ctx, path, args[1:]...)
	if cmd.Err != nil {
		return 0, cmd.Err
	}
	cmd.Args[0] = args[0]
	cmd.Dir = "/"
	cmd.Env = append(environment(), r.Env...)
	cmd.Stdout, cmd.Stderr = &p.out, &p.err
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return killGroup(cmd) }
	cmd.WaitDelay = pipeGrace
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		_ = killGroup(cmd) // it ended well; only a child of it still holds its output
		return 0, nil
	}
	return 0, err
}

// killGroup ends a generator with all its children that stayed in its process group.
func killGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// environment is this process's own without what tunes its runtime: a unit sets
// that for a program that lives for a moment, which a generator need not be.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return name == "GOGC" || name == "GOMEMLIMIT" || name == "GOMAXPROCS"
	})
}

// NotHere is the error of a Runner's Find for a program that this root does not
// have and does not miss: its generator counts as declined.
type NotHere struct{ Reason string }

func (e *NotHere) Error() string { return e.Reason }

// judge tells what an exit means, in the reference's words.
func (r *Result) judge(ctx context.Context, code int, err error, out *excerpt.Head) {
	var notHere *NotHere
	var exit *exec.ExitError
	switch {
	case errors.Is(context.Cause(ctx), errDeadline):
		r.Reason = fmt.Sprintf("Timed-out waiting for settings generator '%s' to finish: it was ended after %v", r.Command, r.Deadline)
	case out.Over():
		r.Reason = fmt.Sprintf("Setting generator '%s' printed more than %d bytes", r.Command, maxOutput)
	case ctx.Err() != nil:
		r.Reason = "the boot was ended"
	case errors.As(err, &notHere):
		r.Outcome, r.Reason = Declined, notHere.Reason
	case errors.As(err, &exit):
		r.Reason = fmt.Sprintf("Setting generator '%s' returned unexpected exit code 'signal' (%v)", r.Command, exit)
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		r.Reason = fmt.Sprintf("Failed to start generator '%s': there is no such program", r.Command)
	case err != nil:
		r.Reason = fmt.Sprintf("Failed to start generator '%s': %v", r.Command, err)
	case code == exitDecline:
		r.Outcome, r.Reason = Declined, "it declined (exit code 2)"
	case code == 1:
		r.Reason = fmt.Sprintf("Setting generator '%s' failed with exit code 1", r.Command)
	case code != 0:
		r.Reason = fmt.Sprintf("Setting generator '%s' returned unexpected exit code '%d'", r.Command, code)
	default:
		r.take(bytes.TrimSpace(out.Bytes()))
	}
}
