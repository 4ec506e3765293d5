package migrator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/osrelease"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/refstore"
	"github.com/hostler-os/hostler/internal/takeover"
)

// takeOver is what a boot does before anything else: a host that ran the
// reference until now keeps its settings.
func (a *app) takeOver(ctx context.Context, log *slog.Logger) error {
	if a.file() != a.root.Datastore() {
		return nil
	}
	_, err := takeover.First(ctx, a.root, func() (*model.Model, error) { return imageModel(a.root) }, takeover.Options{Log: log})
	return err
}

const importHelp = `Makes our datastore from one of the reference: its settings, as if they had
been set here. Defaults are not stored, services and metadata are the image's.
If the model refuses a value, all such values are listed and nothing is
imported. The first boot of a host does this by itself, with --lenient.`

func newImport(a *app) *cobra.Command {
	var from string
	o := takeover.Options{}
	c := &cobra.Command{
		Use: "import --from DIR", Short: "take over the settings of a host of the reference; apiserver must not run",
		Long: importHelp, Args: clihelp.NoArguments,
		Example: "  migrator import --from /var/lib/bottlerocket/datastore --dry-run",
		RunE:    func(c *cobra.Command, _ []string) error { return a.importFrom(c, from, o) },
	}
	f := c.Flags()
	f.StringVar(&from, "from", "", "the reference's datastore, the folder with the link current: `DIR`")
	f.BoolVar(&o.DryRun, "dry-run", false, "say what would be done, key by key, and write nothing")
	f.BoolVar(&o.Lenient, "lenient", false, "store values that the model refuses all the same: without effect, but not lost")
	f.StringVar(&o.Version, "as", "", "the `VERSION` that the settings are of (default what the datastore says)")
	return c
}

func (a *app) importFrom(c *cobra.Command, from string, o takeover.Options) error {
	if from == "" {
		return clihelp.UsageError(c, errors.New("--from is missing"))
	}
	o, err := a.takeoverOptions(o)
	if err != nil {
		return err
	}
	o.BootID = bootID()
	report, err := takeover.Import(c.Context(), from, a.file(), o)
	if refused, ok := errors.AsType[*takeover.RefusedError](err); ok {
		cli.PrintMisfits(cli.People(a.Err), "refused", refused.Refused)
		return &api.Error{
			Code: api.CodeInvalidValue, Message: fmt.Sprintf("the model of %s refuses %s; nothing was imported", o.Model.Variant(), count(len(refused.Refused), "value")),
			Hint: "--lenient stores them all the same: without effect, but not lost",
		}
	}
	if err != nil {
		return explainMissing(err)
	}
	printImport(cli.People(a.Out), report, from, o)
	return nil
}

func explainMissing(err error) error {
	if !errors.Is(err, refstore.ErrNone) {
		return err
	}
	return &api.Error{Code: api.CodeNotFound, Message: err.Error(), Hint: "--from names the folder that has the link current, such as /var/lib/bottlerocket/datastore"}
}

// takeoverOptions are those that import and export share.
func (a *app) takeoverOptions(o takeover.Options) (takeover.Options, error) {
	m, err := imageModel(a.root)
	if err != nil {
		return o, fmt.Errorf("load model: %w", err)
	}
	o.Model, o.Log = m, a.log()
	return o, nil
}

// printImport says what was done, or would be.
func printImport(w io.Writer, r *takeover.Report, from string, o takeover.Options) {
	verb := "imported"
	if o.DryRun {
		verb = "would import"
		printKeys(w, r)
	}
	cli.PrintMisfits(w, "without effect", r.Refused)
	for _, name := range r.Ignored {
		fmt.Fprintf(w, "ignored: %s is no name of a key\n", name)
	}
	fmt.Fprintf(w, "%s settings of version %s from %s: %d as the user's, %d as generated\n", verb, r.Version, from, len(r.User), len(r.Generated))
	rows := [][]string{
		{"  not stored, as they are the defaults", fmt.Sprint(len(r.Defaults))},
		{"  not stored, as they are weak", fmt.Sprint(len(r.Weak))},
		{"  services, files and others, which the image has", fmt.Sprint(r.Left)},
	}
	if len(r.Pending) > 0 {
		rows = append(rows, []string{"  pending transactions", strings.Join(r.Pending, ", ")})
	}
	if len(r.Dropped) > 0 {
		rows = append(rows, []string{"  transactions without settings", strings.Join(r.Dropped, ", ")})
	}
	cli.Table(w, rows)
}

func printKeys(w io.Writer, r *takeover.Report) {
	var rows [][]string
	for _, group := range []struct {
		name string
		keys []key.Key
	}{{"user", r.User}, {"generated", r.Generated}, {"default", r.Defaults}, {"weak", r.Weak}} {
		for _, k := range group.keys {
			rows = append(rows, []string{group.name, string(k)})
		}
	}
	cli.Table(w, rows)
}

const exportHelp = `Writes the settings as the reference stores them: effective values with the
image's defaults, services, files and metadata, below links that name the
version. The links change last, when everything is on the disk; data of other
versions in the folder is left alone. apiserver may run.`

func newExport(a *app) *cobra.Command {
	var to string
	o := takeover.Options{}
	c := &cobra.Command{
		Use: "export --to DIR", Short: "write the settings so that the reference can use them",
		Long: exportHelp, Args: clihelp.NoArguments,
		Example: "  migrator export --to /var/lib/bottlerocket/datastore",
		RunE:    func(c *cobra.Command, _ []string) error { return a.exportTo(c, to, o) },
	}
	f := c.Flags()
	f.StringVar(&to, "to", "", "the folder that gets the link current: `DIR`")
	f.BoolVar(&o.DryRun, "dry-run", false, "say what would be done and write nothing")
	return c
}

func (a *app) exportTo(c *cobra.Command, to string, o takeover.Options) error {
	if to == "" {
		return clihelp.UsageError(c, errors.New("--to is missing"))
	}
	o, err := a.takeoverOptions(o)
	if err != nil {
		return err
	}
	if release, err := osrelease.Read(a.root); err == nil {
		o.Version = release.VersionID
	}
	s, err := takeover.Export(c.Context(), a.file(), to, o)
	if err != nil {
		return err
	}
	verb := "exported"
	if o.DryRun {
		verb = "would export"
	}
	fmt.Fprintf(cli.People(a.Out), "%s %d values of version %s to %s, with %d metadata and %s\n",
		verb, len(s.Live.Data), s.Version, to, len(s.Live.Metadata), count(len(s.Pending), "pending transaction"))
	return nil
}

func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// bootID tells this boot from others: what is pending in one is gone in the next.
func bootID() string {
	text, err := os.ReadFile(paths.Host.Join("/proc/sys/kernel/random/boot_id"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
