package updog

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/nearest"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// synopsis begins the usage, and what is told of a wrong command line, as the
// reference's whole usage does.
const synopsis = `USAGE:
  updog SUBCOMMAND [OPTION…]
`

const usage = synopsis + `
  check-update, whats   print the update that would be applied; --all: every one that may be
  explain               tell of every release why it is or is not offered, when it is due, and
                        what it takes
  update                update-image, then update-apply
  update-image          write the update into the spare slot; the running one stays as it is
  update-apply          make the spare slot boot next
  update-revert         take update-apply back
  history               what was tried on this host, and what became of it
  prepare               prove the repository, and do nothing else
  slot …                show and change which slot boots; updog slot --help
  completion SHELL      print a completion script for your shell: bash, zsh or fish

OPTIONS:
  -i, --image VERSION         this version and no other, whatever the lock says, and though it failed before
      --variant VARIANT       as if the host were of this variant
  -n, --now, --ignore-waves   do not wait for this host's turn
      --force                 activate the update although its migrations fail on a copy of the settings;
                              values that its model refuses are not used then
  -j, --json                  print JSON
  -a, --all                   check-update: list all that may be applied, newest first;
                              explain: also releases for other hosts
  -r, --reboot                reboot after update and update-apply, unless something holds that back
      --root DIR              the host's files are below DIR, such as a sandbox, whose disk is that
                              of hostler sandbox disk FILE --for DIR
      --disk FILE --active A  a disk or an image that the host does not run from, and the slot on it
                              that counts as the running one: A or B
      --config FILE           configuration (default /etc/updog.toml below the root)
      --log-level LEVEL       trace, debug, info, warn, error or off (default info); to standard error
      --help, --version       print this, or the version

Exit codes: 0 ok; 1 failed, wrong usage, or check-update without an update.
`

// arguments are a command line.
type arguments struct {
	command     *command
	forced      *manifest.Version
	variant     string
	ignoreWaves bool
	force       bool
	json, all   bool
	reboot      bool
	root        string
	disk        string
	active      string
	config      string
	level       cli.Level
	help        bool
	version     bool
}

// command is a sub-command.
type command struct {
	names []string
	run   func(*app, context.Context) error
	ours  bool // the reference has no such sub-command
}

var commands = []command{
	{[]string{"check-update", "whats"}, (*app).checkUpdate, false},
	{[]string{"update"}, (*app).update, false},
	{[]string{"update-image"}, (*app).updateImage, false},
	{[]string{"update-apply"}, (*app).updateApply, false},
	{[]string{"update-revert"}, (*app).updateRevert, false},
	{[]string{"history"}, (*app).history, true},
	{[]string{"prepare"}, (*app).prepare, false},
	{[]string{"explain"}, (*app).explain, true},
}

func find(word string) *command {
	for i := range commands {
		if slices.Contains(commands[i].names, word) {
			return &commands[i]
		}
	}
	return nil
}

func commandNames() []string {
	names := []string{"slot", "completion"}
	for _, c := range commands {
		names = append(names, c.names...)
	}
	return names
}

// flag is one option; value is the word for what it takes, if it takes anything.
type flag struct {
	names []string
	value string
	set   func(a *arguments, value string) error
}

func toggle(field func(*arguments) *bool) func(*arguments, string) error {
	return func(a *arguments, _ string) error {
		*field(a) = true
		return nil
	}
}

func text(field func(*arguments) *string) func(*arguments, string) error {
	return func(a *arguments, value string) error {
		*field(a) = value
		return nil
	}
}

var flags = []flag{
	{[]string{"-i", "--image"}, "VERSION", func(a *arguments, value string) error {
		v, err := manifest.ParseVersion(value)
		a.forced = &v
		return err
	}},
	{[]string{"--variant"}, "VARIANT", text(func(a *arguments) *string { return &a.variant })},
	{[]string{"-n", "--now", "--ignore-waves"}, "", toggle(func(a *arguments) *bool { return &a.ignoreWaves })},
	{[]string{"--force"}, "", toggle(func(a *arguments) *bool { return &a.force })},
	{[]string{"-j", "--json"}, "", toggle(func(a *arguments) *bool { return &a.json })},
	{[]string{"-a", "--all"}, "", toggle(func(a *arguments) *bool { return &a.all })},
	{[]string{"-r", "--reboot"}, "", toggle(func(a *arguments) *bool { return &a.reboot })},
	{[]string{"--disk"}, "FILE", text(func(a *arguments) *string { return &a.disk })},
	{[]string{"--active"}, "SET", text(func(a *arguments) *string { return &a.active })},
	{[]string{"--root"}, "DIR", func(a *arguments, value string) error { return cli.SetRoot(&a.root)(value) }},
	{[]string{"--config"}, "FILE", text(func(a *arguments) *string { return &a.config })},
	{[]string{"--log-level"}, "LEVEL", func(a *arguments, value string) error { return a.level.Set(value) }},
	{[]string{"-h", "--help"}, "", toggle(func(a *arguments) *bool { return &a.help })},
	{[]string{"--version"}, "", toggle(func(a *arguments) *bool { return &a.version })},
}

// parse parses a command line: one word that does not begin with a dash, and
// flags in any position, which all sub-commands share; one that a sub-command
// has no use for is ignored.
func parse(args []string) (arguments, error) {
	var a arguments
	word := ""
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if !strings.HasPrefix(arg, "-") {
			if word != "" {
				return a, fmt.Errorf("unexpected argument '%s'", arg)
			}
			word = arg
			continue
		}
		var err error
		if args, err = a.flag(arg, args); err != nil {
			return a, err
		}
	}
	return a, a.choose(word)
}

// flag sets one flag, and returns the arguments behind it and its value.
func (a *arguments) flag(arg string, rest []string) ([]string, error) {
	name, value, given := strings.Cut(arg, "=")
	for _, f := range flags {
		if !slices.Contains(f.names, name) {
			continue
		}
		switch {
		case f.value == "" && given:
			return nil, fmt.Errorf("%s takes no value", name)
		case f.value != "" && !given && len(rest) == 0:
			return nil, fmt.Errorf("%s needs a value", name)
		case f.value != "" && !given:
			value, rest = rest[0], rest[1:]
		}
		if err := f.set(a, value); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return rest, nil
	}
	return nil, mistyped("unknown option '%s'", name, "%s", optionNames())
}

// optionNames are the long names of all flags.
func optionNames() []string {
	var names []string
	for _, f := range flags {
		names = append(names, f.names[len(f.names)-1])
	}
	return names
}

// mistyped is an error that names, in the form meant, what a word may have been.
func mistyped(format, word, meant string, known []string) error {
	hint := seeHelp
	if near := nearest.Name(word, known); near != "" {
		hint = fmt.Sprintf("did you mean "+meant+"?", near)
	}
	return &api.Error{Code: api.CodeInvalid, Message: fmt.Sprintf(format, word), Hint: hint}
}

const seeHelp = name + " --help lists the sub-commands and their options"

// choose takes the sub-command. Its help is a fault of the reference's
// sub-commands, which know no such flag: scripts that ask get its answer.
func (a *arguments) choose(word string) error {
	a.command = find(word)
	switch {
	case word == "" && (a.help || a.version):
		return nil
	case word == "help":
		a.help = true
		return nil
	case word == "":
		return &api.Error{Code: api.CodeInvalid, Message: "missing sub-command", Hint: seeHelp}
	case a.command == nil:
		return mistyped("no sub-command '%s'", word, "'"+name+" %s'", commandNames())
	case a.help && !a.command.ours:
		return fmt.Errorf("help on all sub-commands is printed by %s --help", name)
	}
	return nil
}
