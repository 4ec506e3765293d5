package tharbeupdates

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/nearest"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/updater"
)

const name = "thar-be-updates"

const usage = `thar-be-updates runs one command of an update. It answers as soon as the command
has begun; GET /updates/status of the API, or the file
/run/cache/thar-be-updates/status.json, tells how it ended.

USAGE:
  thar-be-updates SUBCOMMAND [OPTION…]

  refresh              look for updates
  prepare              write the chosen update into the spare slot
  activate             make the spare slot boot next
  deactivate           take activate back
  automatic            take the steps whose time has come, as updates.automatic says;
                       a timer starts this

OPTIONS:
  --config-path PATH   default /etc/thar-be-updates.toml
  --log-level LEVEL    trace, debug, info, warn, error or off (default info)
  --root DIR           the host's files are below DIR, such as a sandbox, whose
                       etc/hostler/disk.toml names the disk
  --json               tell why it could not begin as JSON, on standard output, too
  --wait               stay until the command has ended, and fail if it did
  --help, --version    print this, or the version

Exit codes:
  0   the command has begun
  1   it could not begin; with --wait, it failed
  2   wrong usage
  64  another command is under way
  65  the command does not fit the state
  66  no update is chosen
  67  nothing is staged
`

// What is asked for instead of a command.
var (
	errHelp    = errors.New("help")
	errVersion = errors.New("version")
)

// arguments are a command line.
type arguments struct {
	command string
	config  string
	root    paths.Root
	level   cli.Level
	wait    bool
	json    bool
	worker  bool // this is the process that does the work; the lock is file descriptor 3
}

// parse takes flags before and behind the command.
func parse(args []string) (arguments, error) {
	a := arguments{root: paths.Host}
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	f.StringVar(&a.config, "config-path", "", "")
	f.Func("root", "", cli.SetRoot(&a.root))
	f.Var(&a.level, "log-level", "")
	f.BoolVar(&a.wait, "wait", false, "")
	f.BoolVar(&a.json, "json", false, "")
	f.BoolVar(&a.worker, "worker", false, "")
	version := f.Bool("version", false, "")
	var words []string
	for len(args) > 0 {
		err := f.Parse(args)
		if err != nil && len(words) > 0 && !slices.Contains(commands(), words[0]) {
			return a, noCommand(words[0])
		}
		if err != nil {
			return a, flagError(err)
		}
		if args = f.Args(); len(args) > 0 {
			words, args = append(words, args[0]), args[1:]
		}
	}
	switch {
	case *version:
		return a, errVersion
	case len(words) == 0:
		return a, errors.New("missing sub-command")
	case len(words) > 1:
		return a, fmt.Errorf("unexpected argument '%s'", words[1])
	case words[0] == "help":
		return a, errHelp
	case !slices.Contains(commands(), words[0]):
		return a, noCommand(words[0])
	}
	a.command = words[0]
	if a.config == "" {
		a.config = a.root.UpdaterConfig()
	}
	return a, nil
}

// commands are all sub-commands.
func commands() []string { return append(updater.Commands(), automatic) }

// noCommand names the sub-command that a word may have meant.
func noCommand(word string) error {
	hint := name + " --help lists the sub-commands"
	if near := nearest.Name(word, commands()); near != "" {
		hint = fmt.Sprintf("did you mean '%s %s'?", name, near)
	}
	return &api.Error{Code: api.CodeInvalid, Message: fmt.Sprintf("no sub-command '%s'", word), Hint: hint}
}

// flagError writes flags as the help does, with two dashes.
func flagError(err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return errHelp
	}
	return errors.New(strings.NewReplacer(
		"flag provided but not defined: -", "unknown option --", "for flag -", "for --", "flag needs an argument: -", "no value for --",
	).Replace(err.Error()))
}

// line is the command line of the process that does the work.
func (a arguments) line() []string {
	return []string{
		name, "--worker", "--config-path", a.config, "--root", string(a.root), "--log-level", a.level.String(), a.command,
	}
}
