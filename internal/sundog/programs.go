package sundog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/paths"
)

// small is one of the reference's programs for a single phase of the boot, with
// its flags: what units of images in the field call goes on working.
type small struct {
	name, about string
	flags       func(*pflag.FlagSet)
	run         func(context.Context, *app) error
}

func (p small) main(ctx context.Context, args []string, s cli.Streams) int {
	a := &app{Streams: s, name: p.name, root: paths.Host}
	f := pflag.NewFlagSet(p.name, pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.SortFlags = false
	a.addFlags(f)
	if p.flags != nil {
		p.flags(f)
	}
	var version bool
	if f.Lookup("version") == nil { // storewolf's is something else
		f.BoolVar(&version, "version", false, "print the version")
	}
	if len(args) > 0 {
		args = args[1:]
	}
	err := f.Parse(args)
	if err == nil && f.NArg() > 0 {
		err = fmt.Errorf("unexpected argument '%s'", f.Arg(0))
	}
	switch {
	case errors.Is(err, pflag.ErrHelp):
		fmt.Fprintf(s.Out, "%s\n\nUsage:\n  %s [FLAG…]\n\nFlags:\n%s\nExit codes: 0 done, 1 failed, 2 wrong usage.\n", p.about, p.name, f.FlagUsages())
		return cli.ExitOK
	case err == nil && version:
		cli.PrintVersion(s.Out, p.name)
		return cli.ExitOK
	case err != nil:
		fmt.Fprintf(s.Err, "%s: %v\nhint: %s --help shows how it is used\n", p.name, err, p.name)
		return cli.ExitUsage
	}
	return cli.Report(s.Err, p.name, p.run(ctx, a))
}

// EarlyBootConfig is the program early-boot-config: the phase user-data alone.
// What it stages is committed by settings-committer.
func EarlyBootConfig(ctx context.Context, args []string, s cli.Streams) int {
	p := small{
		name: "early-boot-config", about: "Stages user data for the first boot.",
		run: func(ctx context.Context, a *app) error { return a.only(ctx, api.PhaseUserData) },
	}
	return p.main(ctx, args, s)
}

// SettingsCommitter is the program settings-committer: the phase commit alone.
func SettingsCommitter(ctx context.Context, args []string, s cli.Streams) int {
	transaction := launch
	p := small{
		name: "settings-committer", about: "Commits what boot programs have staged.",
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&transaction, "transaction", launch, "the pending `TRANSACTION` to commit")
		},
		run: func(ctx context.Context, a *app) error {
			if transaction == launch {
				return a.only(ctx, api.PhaseCommit)
			}
			_, err := a.client(a.log()).Commit(ctx, transaction, "")
			return err
		},
	}
	return p.main(ctx, args, s)
}

// TharBeSettings is the program thar-be-settings: it applies settings, all of
// them or those that standard input names.
func TharBeSettings(ctx context.Context, args []string, s cli.Streams) int {
	var all, daemon bool
	p := small{
		name: "thar-be-settings", about: "Renders files and restarts services: for the keys in a JSON array on standard input, or for all.",
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&all, "all", false, "all files and all services")
			f.BoolVar(&daemon, "daemon", false, "do not wait for the end")
		},
		run: func(ctx context.Context, a *app) error {
			if all && !daemon {
				return a.only(ctx, api.PhaseApply)
			}
			return a.applyKeys(ctx, all, daemon)
		},
	}
	return p.main(ctx, args, s)
}

// maxKeys bounds the list of keys on standard input, in bytes.
const maxKeys = 4 << 20

func (a *app) applyKeys(ctx context.Context, all, daemon bool) error {
	request := api.ChangeRequest{ApplyAll: all, Keep: true}
	if !all {
		text, err := io.ReadAll(io.LimitReader(a.In, maxKeys+1))
		if err != nil {
			return fmt.Errorf("read keys: %w", err)
		}
		if len(text) > maxKeys {
			return &api.Error{Code: api.CodeTooLarge, Message: fmt.Sprintf("standard input has more than %d bytes", maxKeys)}
		}
		if err := json.Unmarshal(text, &request.Apply); err != nil {
			return &api.Error{Code: api.CodeInvalid, Message: "Input must be a JSON array of strings: " + err.Error()}
		}
		if len(request.Apply) == 0 {
			return nil
		}
	}
	wait := waitForChange
	if daemon {
		wait = 0
	}
	change, err := a.client(a.log()).Submit(ctx, request, wait)
	if err != nil {
		return err
	}
	switch {
	case change.State == api.StateFailed:
		return change.Error
	case !daemon && !change.State.Final():
		return notOver(change)
	}
	return nil
}

// storewolf's own flags; the datastore's path says where nothing needs to be made.
type inventory struct{ base, link, file, version string }

// Storewolf is the program storewolf. Defaults are read from the image by
// apiserver itself, so what is left is the link to the inventory.
func Storewolf(ctx context.Context, args []string, s cli.Streams) int {
	var in inventory
	p := small{
		name: "storewolf", about: "Makes the link to the inventory of applications. Defaults need no storing: apiserver reads them from the image.",
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&in.base, "data-store-base-path", "", "accepted; apiserver makes its own datastore")
			f.StringVar(&in.link, "inventory-file-symlink-path", "", "where the link to the inventory is made: `PATH`")
			f.StringVar(&in.file, "inventory-file-path", "/usr/share/bottlerocket/application-inventory.json", "the inventory: `PATH`")
			f.StringVar(&in.version, "version", "", "accepted")
		},
		run: func(_ context.Context, a *app) error { return in.make(a.root) },
	}
	return p.main(ctx, args, s)
}

func (in inventory) make(root paths.Root) error {
	for _, flag := range []struct{ name, value string }{
		{"data-store-base-path", in.base}, {"inventory-file-symlink-path", in.link},
	} {
		if flag.value == "" {
			return &cli.ExitError{Code: cli.ExitUsage, Err: fmt.Errorf("--%s is missing", flag.name)}
		}
	}
	link := root.Join(in.link)
	if err := durable.MkdirAll(durable.OS{}, filepath.Dir(link)); err != nil {
		return fmt.Errorf("link inventory: %w", err)
	}
	err := durable.Clean(durable.OS{}, link)
	if err == nil {
		err = durable.Symlink(durable.OS{}, in.file, link)
	}
	if err != nil {
		return fmt.Errorf("link inventory: %w", err)
	}
	return nil
}
