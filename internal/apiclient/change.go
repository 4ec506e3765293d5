package apiclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
)

const (
	// silentWait is how long a change may take before a terminal shows progress.
	silentWait = 200 * time.Millisecond
	// pipeWait is how long the first request waits when nobody looks: most
	// changes are over by then, and of the others it is soon known which they
	// are, so that whoever is interrupted can say it.
	pipeWait = time.Second
)

// changeOptions are those of every command that makes a change.
type changeOptions struct {
	dryRun bool
	keep   bool
	noWait bool
	try    tryFor
	layer  layer
	output cli.Format
}

func addChangeFlags(c *cobra.Command) *changeOptions {
	o := &changeOptions{output: cli.FormatTable}
	f := c.Flags()
	f.BoolVar(&o.dryRun, "dry-run", false, "only show what would happen, as 'plan' does")
	f.Var(&o.try, "try", "undo the change after `DURATION`, such as 5m, unless 'confirm' comes first")
	f.BoolVar(&o.keep, "keep", false, "keep the settings when files or services fail, instead of undoing all")
	f.BoolVar(&o.noWait, "no-wait", false, "return when the change is stored, before it is applied")
	f.Var(&o.layer, "layer", "where to store: user, user-data or generated (default user)")
	c.RegisterFlagCompletionFunc("layer", cobra.FixedCompletions(layers, cobra.ShellCompDirectiveNoFileComp))
	clihelp.Output(c, &o.output)
	return o
}

// tryFor is the value of --try.
type tryFor time.Duration

func (t *tryFor) Type() string { return "DURATION" }

func (t *tryFor) String() string {
	if *t == 0 {
		return ""
	}
	return time.Duration(*t).String()
}

func (t *tryFor) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return errors.New("must be a length of time such as 90s, 5m or 1h")
	}
	*t = tryFor(d)
	return nil
}

// layer is the value of --layer.
type layer api.Layer

var layers = []string{string(api.LayerUser), string(api.LayerUserData), string(api.LayerGenerated)}

func (l *layer) Type() string   { return "LAYER" }
func (l *layer) String() string { return string(*l) }

func (l *layer) Set(text string) error {
	if !slices.Contains(layers, text) {
		return fmt.Errorf("must be one of %s", strings.Join(layers, ", "))
	}
	*l = layer(text)
	return nil
}

// change makes the change r, or only plans it, and tells how it went. Errors
// of the server come back as they are; the caller words them.
func (a *app) change(ctx context.Context, r api.ChangeRequest, o *changeOptions) error {
	r.Layer, r.Try, r.Keep = api.Layer(o.layer), o.try.String(), o.keep
	if o.dryRun {
		return a.plan(ctx, r, o.output)
	}
	if withinChange() {
		r.Keep, o.noWait = true, true
	}
	c, err := a.submit(ctx, r, a.firstWait(o.noWait))
	if err != nil {
		return err
	}
	return a.finish(ctx, c, o)
}

// withinChange tells whether this runs as a restart command of a change. That
// change ends only when this command does, so to wait behind it would be for ever.
func withinChange() bool { return os.Getenv("CHANGED_SETTINGS") != "" }

// submit sends the change. A server that is busy with another one answers late;
// a terminal is told so.
func (a *app) submit(ctx context.Context, r api.ChangeRequest, wait time.Duration) (*api.Change, error) {
	progress := cli.NewProgress(a.Err)
	answered := make(chan struct{})
	var patience sync.WaitGroup
	patience.Go(func() {
		select {
		case <-answered:
		case <-time.After(wait + time.Second):
			progress.Show("waiting for the server; it may be busy with another change")
		}
	})
	c, err := a.client().Submit(ctx, r, wait)
	close(answered)
	patience.Wait()
	progress.Clear()
	if err != nil && ctx.Err() != nil {
		return nil, hinted(wordf(err, "%s", message(err)), "the server may make the change all the same; see 'apiclient changes'")
	}
	return c, err
}

func (a *app) firstWait(noWait bool) time.Duration {
	switch {
	case noWait:
		return 0
	case cli.IsTerminal(a.Err):
		return silentWait
	}
	return pipeWait
}

// finish waits for a change that is stored and reports its outcome.
func (a *app) finish(ctx context.Context, c *api.Change, o *changeOptions) error {
	a.log().Debug("change stored", "change", c.ID, "state", string(c.State))
	a.warn(&c.Plan)
	if !o.noWait && !c.State.Settled() {
		applied, err := a.follow(ctx, c)
		if err != nil {
			return err
		}
		c = applied
	}
	if err := o.output.Print(a.Out, c, func(w io.Writer) { printOutcome(w, c) }); err != nil {
		return err
	}
	return outcome(c)
}

// follow waits until c is applied, showing its progress on a terminal.
func (a *app) follow(ctx context.Context, c *api.Change) (*api.Change, error) {
	progress := cli.NewProgress(a.Err)
	if cli.IsTerminal(a.Err) {
		progress.Show(progressText(c, nil))
		for e, err := range a.client().Events(ctx, c.ID) {
			if err != nil || e.Change.State.Settled() {
				break
			}
			progress.Show(progressText(&e.Change, e.Task))
		}
	}
	applied, err := a.client().Wait(ctx, c.ID)
	progress.Clear()
	if err == nil {
		return applied, nil
	}
	e := wordf(err, "change %d is stored, but how it went is not known: %s", c.ID, message(err))
	hint := fmt.Sprintf("it goes on without you; see 'apiclient changes %d'", c.ID)
	if ctx.Err() != nil {
		e = wordf(err, "interrupted while change %d was being applied", c.ID)
		hint = fmt.Sprintf("it goes on; see how it went with 'apiclient changes %d', or follow it with 'apiclient watch %d'", c.ID, c.ID)
	}
	return nil, hinted(e, hint)
}

func progressText(c *api.Change, task *int) string {
	at := slices.IndexFunc(c.Tasks, func(t api.Task) bool { return t.State == api.TaskDoing })
	if task != nil {
		at = *task
	}
	if at < 0 || at >= len(c.Tasks) {
		return fmt.Sprintf("change %d: %s", c.ID, c.State)
	}
	return fmt.Sprintf("change %d: [%d/%d] %s", c.ID, at+1, len(c.Tasks), c.Tasks[at].Summary)
}

// printOutcome says on standard output only what the user has to act on.
func printOutcome(w io.Writer, c *api.Change) {
	switch {
	case c.State == api.StateTrying && c.Try != nil:
		fmt.Fprintf(w, "change %d is on trial until %s\nkeep it:       apiclient confirm %d\ntake it back:  apiclient undo %d\n",
			c.ID, cli.Time(c.Try.Until), c.ID, c.ID)
	case !c.State.Settled():
		fmt.Fprintf(w, "change %d is being applied; see how it went with: apiclient changes %d\n", c.ID, c.ID)
	}
}

// outcome is the error of a change that did not go well.
func outcome(c *api.Change) error {
	switch c.State {
	case api.StateUndone:
		if tasks := failedTasks(c, true); len(tasks) > 0 {
			return &cli.ExitError{Code: exitPartly, Err: notUndone(c, tasks)}
		}
		return &cli.ExitError{Code: exitUndone, Err: undone(c)}
	case api.StateFailed:
		text := fmt.Sprintf("change %d failed in part, and its settings were kept: %s", c.ID, failure(c))
		hint := fmt.Sprintf("repair the cause and set again, or take it back with 'apiclient undo %d'", c.ID)
		return &cli.ExitError{Code: exitPartly, Err: hinted(errors.New(text), hint)}
	}
	return nil
}

// notUndone is about a change that was taken back but for some tasks.
func notUndone(c *api.Change, tasks []api.Task) error {
	lines := []string{fmt.Sprintf("change %d failed, and not all of it could be undone: %s", c.ID, failure(c))}
	for _, t := range tasks {
		lines = append(lines, "not undone: "+taskText(t))
	}
	return hinted(errors.New(strings.Join(lines, "\n")), "the settings are as they were before; repair the cause, then apply them again with 'apiclient raw -m POST -u /tx/apply'")
}

func undone(c *api.Change) error {
	text := fmt.Sprintf("change %d was undone: %s\nsettings, files and services are as they were before", c.ID, failure(c))
	hint := fmt.Sprintf("details: 'apiclient changes %d'; --keep would keep the settings all the same", c.ID)
	if c.Error != nil && c.Error.Hint != "" {
		hint = c.Error.Hint
	}
	return hinted(errors.New(text), hint)
}

// failedTasks are those that failed before anything was undone, or while it was.
func failedTasks(c *api.Change, undoing bool) []api.Task {
	var failed []api.Task
	for _, t := range c.Tasks {
		if t.State == api.TaskFailed && (t.Kind == "undo") == undoing {
			failed = append(failed, t)
		}
	}
	return failed
}

// taskText is a failed task on one line; an error that says what it is about needs no summary.
func taskText(t api.Task) string {
	switch {
	case t.Error == "":
		return t.Summary
	case strings.Contains(t.Error, ":"):
		return t.Error
	}
	return t.Summary + ": " + t.Error
}

// failure says what failed first, with the end of what the command printed.
func failure(c *api.Change) string {
	if tasks := failedTasks(c, false); len(tasks) > 0 {
		text := taskText(tasks[0])
		return text + quoted(tasks[0].Output, text)
	}
	switch {
	case c.Error != nil:
		return blame(c.Error)
	case c.Reason != "":
		return c.Reason
	case c.UndoneBy > 0:
		return fmt.Sprintf("change %d took it back", c.UndoneBy)
	}
	return "it failed"
}

// maxOutputLines is how much of a command's output an error message repeats.
const maxOutputLines = 10

// quoted sets the last lines of a command's output off from the message, unless that repeats them already.
func quoted(output, message string) string {
	output = strings.TrimSpace(output)
	if output == "" || strings.Contains(message, output) {
		return ""
	}
	lines := strings.Split(output, "\n")
	lines = lines[max(0, len(lines)-maxOutputLines):]
	var b strings.Builder
	for _, line := range lines {
		b.WriteString("\n  | " + cli.OneLine(line))
	}
	return b.String()
}

// isOutcome tells whether err is what became of a change, rather than why there is none.
func isOutcome(err error) bool {
	e := new(cli.ExitError)
	return errors.As(err, &e)
}

// changeFailed words the error of a change: what became of it speaks for itself.
func changeFailed(what string, err error) error {
	if err == nil || isOutcome(err) {
		return err
	}
	return failed(what, err)
}
