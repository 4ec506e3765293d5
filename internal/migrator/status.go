package migrator

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/bootlog"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/migrate"
	"github.com/hostler-os/hostler/internal/osrelease"
)

// status is what `migrator status` tells.
type status struct {
	Datastore string          `json:"datastore"`
	Version   string          `json:"version,omitempty"` // of the settings; empty: never told
	Image     string          `json:"image,omitempty"`   // version of the image that runs
	Kept      []migrate.Kept  `json:"kept,omitempty"`
	Reports   []api.Migration `json:"reports,omitempty"`
}

func newStatus(a *app) *cobra.Command {
	format := cli.FormatTable
	c := &cobra.Command{
		Use: "status", Short: "tell which version the settings are of, and what the last migrations did", Args: clihelp.NoArguments,
		Example: "  migrator status\n  migrator status -o json",
		RunE: func(*cobra.Command, []string) error {
			s, err := a.status()
			if err != nil {
				return err
			}
			return format.Print(a.Out, s, func(w io.Writer) { printStatus(w, s) })
		},
	}
	clihelp.Output(c, &format)
	return c
}

func (a *app) status() (status, error) {
	s := status{Datastore: a.file()}
	version, known, err := migrate.DataVersion(a.file())
	if err != nil {
		return s, fmt.Errorf("%w\nhint: a damaged datastore is set aside and restored when apiserver starts, or by: migrator run; see docs/operations.md", err)
	}
	if known {
		s.Version = version.String()
	}
	if release, err := osrelease.Read(a.root); err == nil {
		s.Image = release.VersionID
	}
	if s.Kept, err = migrate.KeptFiles(a.file()); err != nil {
		return s, err
	}
	s.Reports, err = bootlog.Migrations(a.root)
	return s, err
}

func printStatus(w io.Writer, s status) {
	text := s.Version
	if text == "" {
		text = "not told yet: that of the image"
	}
	rows := [][]string{{"datastore", s.Datastore}, {"settings of", text}, {"image", s.Image}}
	for _, k := range s.Kept {
		rows = append(rows, []string{"kept", fmt.Sprintf("%s, as of %s", k.Version, cli.Time(k.Time))})
	}
	cli.Table(w, rows)
	for i := len(s.Reports) - 1; i >= 0; i-- {
		fmt.Fprintln(w)
		cli.PrintMigration(w, s.Reports[i])
	}
}

func newRehearse(a *app) *cobra.Command {
	format := cli.FormatTable
	c := &cobra.Command{
		Use: "rehearse", Short: "try on a copy what the boot of a version would do", Args: clihelp.NoArguments,
		Example: "  migrator rehearse --migrate-to-version 1.3.0",
		RunE:    func(c *cobra.Command, _ []string) error { return a.rehearse(c.Context(), format) },
	}
	clihelp.Output(c, &format)
	return c
}

func (a *app) rehearse(ctx context.Context, format cli.Format) error {
	to, _, err := a.target()
	if err != nil {
		return err
	}
	release, err := osrelease.Read(a.root)
	if err != nil {
		return err
	}
	report, err := migrate.RehearseHost(ctx, migrate.Host{Root: a.root, Datastore: a.file(), Cache: a.caches(), OS: release, Log: a.log()}, to)
	if report == nil && err == nil {
		fmt.Fprintln(a.Err, "nothing to migrate")
		return nil
	}
	if report != nil {
		if printed := format.Print(a.Out, report, func(w io.Writer) { cli.PrintMigration(w, *report) }); printed != nil {
			return printed
		}
	}
	return err
}
