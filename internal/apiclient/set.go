package apiclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
)

const setHelp = `Changes settings, all of them together or none.

KEY=VALUE is read as the type that the key has: text needs no quotes, numbers
and truth values are written as they are, lists and objects as JSON. "settings."
in front may be left out. See 'apiclient explain KEY' for what a key accepts.

--json takes an object instead, with or without an outer "settings" member.

The command waits until files are written and services restarted, and prints
nothing when that went well. When it did not, everything is undone.`

type setOptions struct {
	json     onceString
	jsonFile onceString
}

func newSet(a *app) *cobra.Command {
	var o setOptions
	c := &cobra.Command{
		Use:   "set KEY=VALUE…\napiclient set --json JSON",
		Short: "change settings",
		Long:  setHelp,
		Example: `  apiclient set motd="hello"
  apiclient set ntp.time-servers='["192.0.2.1", "192.0.2.2"]' ntp.options='["iburst"]'
  apiclient set 'kernel.sysctl."vm.max_map_count"=262144'
  apiclient set --json '{"motd": "hello"}'
  apiclient set --try 5m network.hostname=node-7`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeKeys("="),
	}
	f := c.Flags()
	f.VarP(&o.json, "json", "j", "settings as a `JSON` object")
	f.Var(&o.jsonFile, "json-file", "settings as a JSON object in `FILE`; - is standard input")
	change := addChangeFlags(c)
	c.RunE = runE(func(ctx context.Context, args []string) error {
		r, err := a.setRequest(args, o)
		if err != nil {
			return err
		}
		return setFailed(a.change(ctx, r, change), r)
	})
	return c
}

// onceString is a text option that may be given once only.
type onceString struct {
	text  string
	given bool
}

func (s *onceString) String() string { return s.text }
func (s *onceString) Type() string   { return "string" }

func (s *onceString) Set(text string) error {
	if s.given {
		return errors.New("the option may be given only once")
	}
	*s = onceString{text, true}
	return nil
}

func (a *app) setRequest(args []string, o setOptions) (r api.ChangeRequest, err error) {
	if err := checkPairs(args); err != nil {
		return r, err
	}
	switch {
	case o.json.given && o.jsonFile.given:
		return r, usagef("Cannot specify both --json and --json-file with 'set'")
	case (o.json.given || o.jsonFile.given) && len(args) > 0:
		return r, usagef("Cannot specify key=value pairs and --json settings with 'set'")
	case o.json.given:
		r.Settings, err = parseInline([]byte(o.json.text))
	case o.jsonFile.given:
		r.Settings, err = a.readInline(o.jsonFile.text)
	case len(args) == 0:
		return r, usagef("Must specify key=value settings or --json settings with 'set'")
	default:
		r.Pairs = args
	}
	return r, err
}

// checkPairs refuses what cannot be pairs for any model, and two values for one
// key, as JSON does: one of them would be lost.
func checkPairs(args []string) error {
	seen := map[key.Key]bool{}
	for _, arg := range args {
		if err := checkPair(arg); err != nil {
			return err
		}
		name, _, _ := strings.Cut(arg, "=")
		k := settingKey(name)
		if seen[k] {
			e := usagef("Given key '%s' has more than one value", name)
			e.hint = fmt.Sprintf("only one of them could be %s; leave the others out", k)
			return e
		}
		seen[k] = true
	}
	return nil
}

// settingKey is the canonical form of a key that may leave out "settings."; it has been checked.
func settingKey(name string) key.Key {
	k, err := key.Parse(name)
	if err == nil && k.Segments()[0] != "settings" {
		k, err = key.Parse("settings." + name)
	}
	if err != nil {
		return key.Key(name)
	}
	return k
}

// checkPair refuses what cannot be a pair for any model.
func checkPair(arg string) error {
	name, _, ok := strings.Cut(arg, "=")
	if !ok {
		e := usagef("Unknown argument '%s'", arg)
		e.hint = fmt.Sprintf("a setting is written KEY=VALUE: apiclient set %s=…; its value is shown by 'apiclient get %s'", arg, arg)
		return e
	}
	if _, err := key.Parse(name); err != nil {
		e := usagef("Given key '%s' is not a valid format", name)
		e.hint = fmt.Sprintf("%s; a segment with a dot is quoted: 'kernel.sysctl.\"vm.swappiness\"=1'", keyProblem(err))
		return e
	}
	return nil
}

func keyProblem(err error) string {
	if e, ok := errors.AsType[*key.SyntaxError](err); ok {
		return e.Why
	}
	return err.Error()
}

func (a *app) readInline(name string) (json.RawMessage, error) {
	text, err := a.readFile(name)
	if err != nil {
		return nil, wordf(err, "Failed to change settings: Failed to read given file '%s': %v", name, err)
	}
	return parseInline(text)
}

// How the reference begins about values that its model refuses. Programs in the
// field look for these words, though no longer all of them are to the point.
const (
	pairsRefused = "Unable to match your input to the data model.  We may not have enough type information.  Please try the --json input form.  Cause: "
	jsonRefused  = "Unable to deserialize input JSON into model: "
)

// setFailed words the error of a set.
func setFailed(err error, r api.ChangeRequest) error {
	switch e := new(api.Error); {
	case err == nil || isOutcome(err):
		return err
	case errors.As(err, &e) && refused(e) && r.Pairs != nil:
		return wordf(err, "%s", pairsRefused+blame(e))
	case errors.As(err, &e) && refused(e):
		return wordf(err, "%s", jsonRefused+strings.TrimPrefix(blame(e), jsonRefused))
	}
	return failed("Failed to change settings", err)
}

// refused tells whether the model is against the value or the key.
func refused(e *api.Error) bool {
	return e.Code == api.CodeInvalidValue || e.Code == api.CodeUnknownKey
}
