package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/api/client"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/migrator"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/sundog"
)

const bootHelp = `Boots the sandbox as a host does: user data, setting generators, every file; then
tells what the boot did. A folder that is no sandbox yet is laid out first.

With --user-data the sandbox is like a host that was never booted, given this
file; without, it boots again. Generators other than schnauzer are run only if
the sandbox has their programs, for example DIR/usr/bin/netdog.

A sandbox with a disk (hostler sandbox disk FILE --for DIR) boots the slot that
the boot loader takes. Each slot has an image, which is the folder usr while the
slot runs: the one that an update has written has, unless --image names another,
that of the running slot under the new version. migrator brings the settings
along. A boot that is well marks its slot as good; otherwise the next boot is
that of the other slot. apiserver must not run on the sandbox meanwhile.

The exit code is sundog's: 0 the host is configured, 1 it is not.`

const (
	userDataFile = "/var/lib/bottlerocket/user-data.toml"
	maxUserData  = 1 << 20
)

// bootOptions is what the flags of "sandbox boot" say.
type bootOptions struct {
	Options
	chosen   bool // the variant was
	userData string
	first    bool // boot: with user data
	image    string
	format   cli.Format
}

func newBoot(assets fs.FS) *cobra.Command {
	o := bootOptions{Options: Options{Version: releaseVersion(cli.Version())}, format: cli.FormatTable}
	command := &cobra.Command{
		Use: "boot DIR", Short: "boot a sandbox, with user data, and tell what that did", Long: bootHelp,
		Example: "  hostler sandbox boot /tmp/box --variant aws-dev --user-data user-data.toml\n  hostler sandbox boot /tmp/box --image /tmp/newer-box",
		Args:    exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.chosen, o.first = c.Flags().Changed("variant"), c.Flags().Changed("user-data")
			root, err := openOrNew(assets, args[0], o.Options, o.chosen)
			if err != nil {
				return err
			}
			return boot(c.Context(), root, o, cli.Streams{In: c.InOrStdin(), Out: c.OutOrStdout(), Err: c.ErrOrStderr()})
		},
	}
	command.Flags().StringVar(&o.userData, "user-data", "", "boot for the first time, with this `FILE`; - for standard input")
	command.Flags().StringVar(&o.Variant, "variant", "metal-dev", "`VARIANT` of a sandbox that is laid out anew")
	command.Flags().StringVar(&o.image, "image", "", "the slot that boots has the image of `DIR`, such as another sandbox: its folder usr")
	_ = command.MarkFlagDirname("image")
	clihelp.Output(command, &o.format)
	return command
}

func openOrNew(assets fs.FS, dir string, o Options, chosen bool) (paths.Root, error) {
	root, err := Open(dir)
	if err != nil {
		return New(assets, dir, o)
	}
	have, err := model.ImageVariant(os.DirFS(root.Share()))
	if err == nil && chosen && have != o.Variant {
		return "", &api.Error{
			Code: api.CodeConflict, Message: fmt.Sprintf("%s is a sandbox of variant %s", dir, have),
			Hint: "leave --variant out, or name another folder",
		}
	}
	return root, err
}

// giveUserData makes the sandbox one that has never loaded user data, with this file.
func giveUserData(root paths.Root, file string, in io.Reader) error {
	doc, err := cli.ReadInput(file, in, maxUserData)
	if err != nil {
		return err
	}
	path := root.Join(userDataFile)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("give user data: %w", err)
	}
	if err := os.WriteFile(path, doc, 0o600); err != nil {
		return fmt.Errorf("give user data: %w", err)
	}
	if err := os.Remove(root.UserDataLoaded()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("give user data: %w", err)
	}
	return nil
}

// boot starts what a boot starts, under a server of its own if none answers,
// and prints the report.
func boot(ctx context.Context, root paths.Root, o bootOptions, s cli.Streams) error {
	c := &client.Client{Socket: root.Socket()}
	_, err := c.Health(ctx)
	serving := err == nil
	slot, err := bootSlot(ctx, root, o.image, serving)
	if err != nil {
		return err
	}
	if o.first {
		if err := giveUserData(root, o.userData, s.In); err != nil {
			return err
		}
	}
	migrated := true
	if !serving {
		migrated = migrate(ctx, root, s.Err)
		stop, err := serveOnce(ctx, root)
		if err != nil {
			return err
		}
		defer stop()
	}
	report, code, err := configure(ctx, root, c)
	if err != nil {
		return err
	}
	outcome := fmt.Errorf("boot %d %s", report.ID, report.State)
	judgement, err := slot.judge(ctx, migrated && code == cli.ExitOK, blame(report, outcome.Error()))
	if err != nil {
		return err
	}
	err = o.format.Print(s.Out, report, func(w io.Writer) {
		cli.PrintBoot(w, *report)
		fmt.Fprint(w, judgement)
	})
	if err == nil && code != cli.ExitOK {
		err = &cli.ExitError{Code: code, Err: outcome}
	}
	return err
}

// blame is what was wrong with a boot, as the report has it.
func blame(report *api.Boot, otherwise string) string {
	for _, phase := range report.Phases {
		if phase.State == api.BootFailed && phase.Error != nil {
			return "settings: " + phase.Error.Message
		}
	}
	return otherwise
}

// configure runs sundog and gets its report.
func configure(ctx context.Context, root paths.Root, c *client.Client) (report *api.Boot, code int, err error) {
	var log bytes.Buffer
	code = sundog.Run(ctx, []string{"sundog", "--root", string(root)}, cli.Streams{In: bytes.NewReader(nil), Out: &log, Err: &log})
	report, err = c.Boot(ctx, 0)
	if err != nil {
		return nil, code, errors.Join(err, errors.New(log.String()))
	}
	return report, code, nil
}

// migrate runs migrator, which tells on w what it did, if there are settings already.
func migrate(ctx context.Context, root paths.Root, w io.Writer) (ok bool) {
	var log bytes.Buffer
	code := migrator.Run(ctx, []string{"migrator", "--root", string(root)}, cli.Streams{In: bytes.NewReader(nil), Out: &log, Err: &log})
	if _, err := os.Stat(root.Datastore()); err == nil || code != cli.ExitOK {
		_, _ = log.WriteTo(w)
	}
	return code == cli.ExitOK
}

// serveOnce runs apiserver in this process until stop.
func serveOnce(ctx context.Context, root paths.Root) (stop func(), err error) {
	var log bytes.Buffer
	server, err := Serve(ctx, root, &log, "--log-level", "warn")
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, bytes.TrimSpace(log.Bytes()))
	}
	return func() { _ = server.Stop() }, nil // what the boot did is told whatever its end
}
