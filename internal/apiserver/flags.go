package apiserver

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/nearest"
	"github.com/hostler-os/hostler/internal/paths"
)

const usage = `apiserver owns the settings of a host, serves the API on a Unix socket and
applies changes to files and services.

Usage:
  apiserver [FLAG…]

Flags:
  --root DIR              serve DIR as if it were the host's root (default /)
  --socket-path PATH      the socket; default run/api.sock below the root.
                          A socket from systemd takes precedence.
  --socket-gid GID        the group that the socket is given to, by number
  --socket-mode MODE      its permissions, octal (default 0660)
  --datastore-path PATH   the datastore's file; default var/lib/hostler/datastore.db
                          below the root. A path that ends in /current means the
                          file datastore.db beside it.
  --variant NAME          the variant of the image; default what the file
                          usr/share/hostler/variant below the root says
  --restart-timeout TIME  how long one restart command may take (default 2m)
  --log-level LEVEL       trace, debug, info, warn, error or off (default info)
  --exec-socket-path PATH accepted for the reference's unit files
  --no-color              accepted; the log has no colours
  --version               print the version
  --help                  print this

Exit status: 0 stopped in order, 1 failed, 2 wrong usage.
`

// What is asked for instead of serving.
var (
	errHelp    = errors.New("help")
	errVersion = errors.New("version")
)

// options are the flags, with their defaults filled in.
type options struct {
	root           paths.Root
	socket         string
	socketGID      int // -1: not given
	socketMode     os.FileMode
	datastore      string
	variant        string
	restartTimeout time.Duration
	level          cli.Level
}

// datastoreFile is the name of the datastore's file in a folder of the reference's layout.
const datastoreFile = "datastore.db"

func parseFlags(args []string) (options, error) {
	o := options{root: paths.Host, socketGID: -1, socketMode: 0o660, restartTimeout: 2 * time.Minute}
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	flags.Func("root", "", cli.SetRoot(&o.root))
	flags.Func("socket-path", "", func(text string) error { o.socket = text; return notEmpty(text) })
	flags.Func("socket-gid", "", o.setGID)
	flags.Func("socket-mode", "", o.setMode)
	flags.Func("datastore-path", "", o.setDatastore)
	flags.Func("variant", "", func(text string) error { o.variant = text; return notEmpty(text) })
	flags.Func("restart-timeout", "", o.setTimeout)
	flags.Var(&o.level, "log-level", "")
	flags.Func("exec-socket-path", "", func(string) error { return nil })
	flags.Bool("no-color", false, "")
	version := flags.Bool("version", false, "")
	if len(args) > 0 {
		args = args[1:]
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return o, errHelp
	case err != nil:
		return o, flagError(flags, err)
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument '%s'", flags.Arg(0))
	case *version:
		return o, errVersion
	}
	return o.filled(), nil
}

// flagError writes flags as the help does, with two dashes, and names the one
// that an unknown one may have meant.
func flagError(flags *flag.FlagSet, err error) error {
	text := strings.NewReplacer(
		"flag provided but not defined: -", "unknown flag --", "for flag -", "for --", "flag needs an argument: -", "no value for --",
	).Replace(err.Error())
	if word, unknown := strings.CutPrefix(text, "unknown flag --"); unknown {
		var names []string
		flags.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
		if near := nearest.Name(word, names); near != "" {
			text += "; did you mean --" + near + "?"
		}
	}
	return errors.New(text)
}

// filled gives what was not said its place below the root.
func (o options) filled() options {
	if o.socket == "" {
		o.socket = o.root.Socket()
	}
	if o.datastore == "" {
		o.datastore = o.root.Datastore()
	}
	return o
}

func notEmpty(text string) error {
	if text == "" {
		return errors.New("it is empty")
	}
	return nil
}

func (o *options) setGID(text string) error {
	gid, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return errors.New("a group's number is wanted")
	}
	o.socketGID = int(gid)
	return nil
}

func (o *options) setMode(text string) error {
	mode, err := strconv.ParseUint(text, 8, 32)
	if err != nil || mode > 0o777 {
		return errors.New("octal permissions such as 0660 are wanted")
	}
	o.socketMode = os.FileMode(mode)
	return nil
}

// setDatastore takes the reference's link "current", too, and stays out of its tree.
func (o *options) setDatastore(text string) error {
	o.datastore = text
	if trimmed := strings.TrimRight(text, "/"); filepath.Base(trimmed) == "current" {
		o.datastore = filepath.Join(filepath.Dir(trimmed), datastoreFile)
	}
	return notEmpty(text)
}

func (o *options) setTimeout(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return errors.New("a duration such as 90s is wanted")
	}
	o.restartTimeout = d
	return nil
}
