// Command tufclient lets the public conformance suite for clients of The Update
// Framework judge internal/tufrepo. It speaks the suite's command-line protocol
// and decides nothing itself: whatever it accepts, a host would accept.
//
// The suite sets the clock with libfaketime, which reaches only programs that
// are linked against the C library. This one is not. It therefore asks a
// program that is: see cli.Clock.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/tufrepo"
)

const usage = `usage: tufclient --metadata-dir DIR COMMAND …

  init ROOT   trust the root metadata in the file ROOT
              needs --metadata-dir
  refresh     bring the trusted metadata up to date
              needs --metadata-dir --metadata-url
  download    refresh, then fetch each --target-name, of which there may be several
              needs also --target-name --target-base-url --target-dir

Exit code 0: done; 1: refused or failed, the reason is on standard error; 2: this text.
`

// options are the protocol's.
type options struct {
	metadataDir, metadataURL string
	targetNames              []string
	targetDir, targetBaseURL string
	command                  string
	arguments                []string
	stderr                   io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stderr))
}

func run(ctx context.Context, args []string, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if err != nil {
		fmt.Fprint(stderr, usage)
		return 2
	}
	commands := map[string]func(context.Context, options) error{
		"init": initialize, "refresh": refresh, "download": download,
	}
	command, ok := commands[o.command]
	if !ok || o.metadataDir == "" {
		fmt.Fprint(stderr, usage)
		return 2
	}
	if err := command(ctx, o); err != nil {
		fmt.Fprintf(stderr, "tufclient: %s: %v\n", o.command, err)
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{stderr: stderr}
	flags := flag.NewFlagSet("tufclient", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.metadataDir, "metadata-dir", "", "")
	flags.StringVar(&o.metadataURL, "metadata-url", "", "")
	flags.Func("target-name", "", func(name string) error { o.targetNames = append(o.targetNames, name); return nil })
	flags.StringVar(&o.targetDir, "target-dir", "", "")
	flags.StringVar(&o.targetBaseURL, "target-base-url", "", "")
	for len(args) > 0 { // flags may also stand after the command
		if err := flags.Parse(args); err != nil {
			return o, err
		}
		if args = flags.Args(); len(args) == 0 {
			break
		}
		if o.command == "" {
			o.command = args[0]
		} else {
			o.arguments = append(o.arguments, args[0])
		}
		args = args[1:]
	}
	return o, nil
}

const maxRoot = 1 << 20

// initialize trusts what it is given: whether it may be trusted shows at the first refresh.
func initialize(_ context.Context, o options) error {
	if len(o.arguments) != 1 {
		return errors.New("expected the file of the trusted root")
	}
	root, err := durable.ReadFile(o.arguments[0], maxRoot)
	if err != nil {
		return err
	}
	attributes := durable.Attributes{Mode: 0o644, UID: durable.Keep, GID: durable.Keep}
	return durable.WriteFile(durable.OS{}, filepath.Join(o.metadataDir, "root.json"), root, attributes)
}

func refresh(ctx context.Context, o options) error {
	_, err := open(ctx, o)
	return err
}

func open(ctx context.Context, o options) (*tufrepo.Repository, error) {
	root, err := durable.ReadFile(filepath.Join(o.metadataDir, "root.json"), maxRoot)
	if err != nil {
		return nil, err
	}
	targets := o.targetBaseURL
	if targets == "" {
		targets = o.metadataURL
	}
	source, err := tufrepo.Remote(o.metadataURL, targets, tufrepo.RemoteOptions{
		UserAgent: "hostler-tufclient", Tries: 2, Backoff: 100 * time.Millisecond, // the suite breaks connections on purpose
	})
	if err != nil {
		return nil, err
	}
	now, err := cli.Clock(ctx)
	if err != nil {
		return nil, err
	}
	return tufrepo.Open(ctx, source, tufrepo.Options{
		TrustedRoot: root, Dir: o.metadataDir, Delegations: tufrepo.AllowDelegations, Now: now,
	})
}

// download looks for all targets with one Repository: what it learned of
// delegated roles for one of them must not decide about another.
func download(ctx context.Context, o options) error {
	if len(o.targetNames) == 0 || o.targetDir == "" || o.targetBaseURL == "" {
		return errors.New("--target-name, --target-dir and --target-base-url are needed")
	}
	r, err := open(ctx, o)
	if err != nil {
		return err
	}
	for _, name := range o.targetNames {
		// One file a target, whatever its name: the suite does not mind which.
		path := filepath.Join(o.targetDir, url.QueryEscape(name))
		if err := r.Download(ctx, name, path, tufrepo.DownloadOptions{}); err != nil {
			return err
		}
	}
	return nil
}
