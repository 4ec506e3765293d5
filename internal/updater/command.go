package updater

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hostler-os/hostler/internal/api"
)

// Exit codes of thar-be-updates: why a command was refused. The API's answers follow from them.
const (
	ExitLocked   = 64 // a command is under way
	ExitState    = 65 // it does not fit the state
	ExitNoChoice = 66 // no update is chosen
	ExitNoImage  = 67 // nothing is staged
)

// Refusal is returned for a command that cannot begin. Its texts are the reference's.
type Refusal struct {
	Exit int
	Text string
}

func (e *Refusal) Error() string { return e.Text }

// command is a line of the state machine.
type command struct {
	name, title string
	allowed     []api.UpdateState // nil: always
	needs       func(api.UpdateStatus) *Refusal
}

var commands = []command{
	{api.UpdateRefresh, "Refresh", nil, nothing},
	{api.UpdatePrepare, "Prepare", []api.UpdateState{api.UpdateAvailable, api.UpdateStaged}, choice},
	{api.UpdateActivate, "Activate", []api.UpdateState{api.UpdateStaged}, image},
	{api.UpdateDeactivate, "Deactivate", []api.UpdateState{api.UpdateReady}, image},
}

func nothing(api.UpdateStatus) *Refusal { return nil }

func choice(s api.UpdateStatus) *Refusal {
	if s.Chosen == nil {
		return &Refusal{ExitNoChoice, "Chosen update does not exist"}
	}
	return nil
}

func image(s api.UpdateStatus) *Refusal {
	if s.Staging == nil {
		return &Refusal{ExitNoImage, "No update image applied to the inactive partition set"}
	}
	return nil
}

// Commands are the names of all commands.
func Commands() []string {
	var names []string
	for _, c := range commands {
		names = append(names, c.name)
	}
	return names
}

// check says whether a command may begin: the state first, as the reference does.
func check(name string, s api.UpdateStatus) error {
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == name })
	if i < 0 {
		return fmt.Errorf("no update command '%s'", name)
	}
	c := commands[i]
	if c.allowed != nil && !slices.Contains(c.allowed, s.State) {
		return &Refusal{ExitState, fmt.Sprintf("Command '%s' not allowed when state is '%s'", c.title, s.State)}
	}
	if refusal := c.needs(s); refusal != nil {
		return refusal
	}
	return nil
}

// Begin notes, durably, that a command begins, or says with a [Refusal] why it
// cannot. Its caller holds the lock. A command that nobody has ended by then was
// interrupted, and is noted as failed.
func (u *Updater) Begin(ctx context.Context, name string) error {
	r := u.loadOrNew().settled()
	v, err := u.view(ctx, r)
	if err != nil {
		return err
	}
	refusal := check(name, v.Status)
	if refusal == nil {
		r.Begun = &Begun{name, u.Now().UTC()}
	}
	// What is said of the last command goes first: a request to stop that comes after the save is for this one.
	return errors.Join(refusal, u.forget(), u.save(r), u.export(v.Status))
}

// Ending is how a command ended. Err is nil if it succeeded; then Apply, unless
// nil, changes the record.
type Ending struct {
	Command string
	Stderr  string // what it told, the error included
	Err     error
	Apply   func(*Record)
}

// End notes how a command ended. Its caller holds the lock.
func (u *Updater) End(ctx context.Context, e Ending) error {
	r := u.loadOrNew()
	r.Begun = nil
	c := api.UpdateCommand{Type: e.Command, Status: api.UpdateSuccess, Timestamp: api.Timestamp(u.Now()), Stderr: e.Stderr}
	switch {
	case e.Err != nil:
		c.Status, c.ExitStatus = api.UpdateFailed, 1
	case e.Apply != nil:
		e.Apply(&r)
	}
	r.ended(c)
	if err := u.save(r); err != nil {
		return err
	}
	v, err := u.view(ctx, r)
	if err != nil {
		return err
	}
	return errors.Join(u.export(v.Status), u.forget())
}

// Rebooting notes that the host was asked to reboot into what is activated. That
// counts as a failure of it: a boot loader that takes the same slot as before
// would otherwise make a host that reboots by itself do so for ever.
func (u *Updater) Rebooting() error {
	lock, err := u.Lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	r := u.loadOrNew()
	r.count(api.UpdateCommand{Type: api.UpdateReboot, Status: api.UpdateFailed, Timestamp: api.Timestamp(u.Now())})
	return u.save(r)
}
