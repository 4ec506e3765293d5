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
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/sundog"
)

const bootHelp = `Boots the sandbox as a host does: user data, setting generators, every file; then
tells what the boot did. A folder that is no sandbox yet is laid out first.

With --user-data the sandbox is like a host that was never booted, given this
file; without, it boots again. Generators other than schnauzer are run only if
the sandbox has their programs, for example DIR/usr/bin/netdog.

The exit code is sundog's: 0 the host is configured, 1 it is not.`

const (
	userDataFile = "/var/lib/bottlerocket/user-data.toml"
	maxUserData  = 1 << 20
)

func newBoot(assets fs.FS) *cobra.Command {
	options := Options{Version: releaseVersion(cli.Version())}
	var file string
	format := cli.FormatTable
	command := &cobra.Command{
		Use: "boot DIR", Short: "boot a sandbox, with user data, and tell what that did", Long: bootHelp,
		Example: "  hostler sandbox boot /tmp/box --variant aws-dev --user-data user-data.toml", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			root, err := openOrNew(assets, args[0], options, c.Flags().Changed("variant"))
			if err != nil {
				return err
			}
			if c.Flags().Changed("user-data") {
				if err := giveUserData(root, file, c.InOrStdin()); err != nil {
					return err
				}
			}
			return boot(c.Context(), root, c.OutOrStdout(), format)
		},
	}
	command.Flags().StringVar(&file, "user-data", "", "boot for the first time, with this `FILE`; - for standard input")
	command.Flags().StringVar(&options.Variant, "variant", "metal-dev", "`VARIANT` of a sandbox that is laid out anew")
	clihelp.Output(command, &format)
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

// boot runs sundog, under a server of its own if none answers, and prints the report.
func boot(ctx context.Context, root paths.Root, w io.Writer, format cli.Format) error {
	c := &client.Client{Socket: root.Socket()}
	stop, err := serveOnce(ctx, root, c)
	if err != nil {
		return err
	}
	defer stop()
	var log bytes.Buffer
	code := sundog.Run(ctx, []string{"sundog", "--root", string(root)}, cli.Streams{In: bytes.NewReader(nil), Out: &log, Err: &log})
	report, err := c.Boot(ctx, 0)
	if err != nil {
		return errors.Join(err, errors.New(log.String()))
	}
	if err := format.Print(w, report, func(w io.Writer) { cli.PrintBoot(w, *report) }); err != nil {
		return err
	}
	if code != cli.ExitOK {
		return &cli.ExitError{Code: code, Err: fmt.Errorf("boot %d %s", report.ID, report.State)}
	}
	return nil
}

// serveOnce runs apiserver in this process until stop, unless one answers already.
func serveOnce(ctx context.Context, root paths.Root, c *client.Client) (stop func(), err error) {
	if _, err := c.Health(ctx); err == nil {
		return func() {}, nil
	}
	var log bytes.Buffer
	server, err := Serve(ctx, root, &log, "--log-level", "warn")
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, bytes.TrimSpace(log.Bytes()))
	}
	return func() { _ = server.Stop() }, nil // what the boot did is told whatever its end
}
