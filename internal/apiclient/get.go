package apiclient

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/key"
)

const getHelp = `Prints settings and other data of the host whose keys begin with a prefix.

Prefixes name the area first: settings., os., services., configuration-files.
What matches nothing there is looked for among the settings, so "motd" is enough.
Without arguments, settings and os are shown. An argument that begins with '/'
is a URI instead; its answer is printed.`

type getOptions struct {
	exclude      []string
	canonicalize bool
	output       cli.Format
}

func newGet(a *app) *cobra.Command {
	o := getOptions{output: cli.FormatJSON}
	c := &cobra.Command{
		Use:               "get [PREFIX…]\napiclient get /URI",
		Short:             "show settings",
		Long:              getHelp,
		Example:           "  apiclient get motd\n  apiclient get settings.ntp os.version_id\n  apiclient get -o yaml settings. --exclude settings.host-containers",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeKeys(""),
		RunE:              runE(func(ctx context.Context, args []string) error { return a.get(ctx, args, o) }),
	}
	f := c.Flags()
	f.StringArrayVar(&o.exclude, "exclude", nil, "leave out keys that begin with `PREFIX`; may be repeated")
	f.BoolVar(&o.canonicalize, "canonicalize", false, "print canonical JSON: keys sorted, no white space")
	clihelp.Output(c, &o.output)
	return c
}

func (a *app) get(ctx context.Context, args []string, o getOptions) error {
	uris, prefixes := splitGetArguments(args)
	if err := checkGetArguments(uris, prefixes); err != nil {
		return err
	}
	var tree any
	var err error
	if len(uris) == 1 {
		tree, err = a.getURI(ctx, uris[0])
	} else {
		tree, err = a.getPrefixes(ctx, prefixes)
	}
	if err != nil {
		return wordf(err, "Failed to get settings: %v", err)
	}
	for _, prefix := range o.exclude {
		exclude(tree, "", prefix)
	}
	return a.printTree(tree, o)
}

func splitGetArguments(args []string) (uris, prefixes []string) {
	for _, arg := range args {
		if strings.HasPrefix(arg, "/") {
			uris = append(uris, arg)
		} else {
			prefixes = append(prefixes, arg)
		}
	}
	return uris, prefixes
}

func checkGetArguments(uris, prefixes []string) error {
	switch {
	case len(uris) > 1:
		return usagef("You can only specify one URI with 'get'")
	case len(uris) > 0 && len(prefixes) > 0:
		return usagef("You can specify prefixes or a URI with 'get', but not both")
	case slices.Contains(prefixes, "-"):
		return usagef("Unknown argument '-'")
	}
	return nil
}

func (a *app) getURI(ctx context.Context, uri string) (any, error) {
	body, err := a.client().Request(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, requestFailed(http.MethodGet, uri, err)
	}
	return decodeAnswer(body)
}

// getPrefixes merges the answers for all prefixes, later ones winning.
func (a *app) getPrefixes(ctx context.Context, prefixes []string) (any, error) {
	if len(prefixes) == 0 {
		prefixes = []string{"os.", "settings."}
	}
	all := map[string]any{}
	for _, prefix := range prefixes {
		found, err := a.getPrefix(ctx, prefix)
		if err != nil {
			return nil, err
		}
		merge(all, found)
	}
	return all, nil
}

// getPrefix looks below settings for a prefix that matches nothing as it stands.
func (a *app) getPrefix(ctx context.Context, prefix string) (map[string]any, error) {
	tree, err := a.getURI(ctx, prefixURI(prefix))
	if err != nil {
		return nil, err
	}
	found, ok := tree.(map[string]any)
	if !ok {
		return nil, wordf(nil, "Response contained invalid JSON '%v' - an object was expected", tree)
	}
	if len(found) == 0 && prefix != "" && !strings.HasPrefix(prefix, "settings.") {
		return a.getPrefix(ctx, "settings."+prefix)
	}
	if len(found) == 0 && cli.IsTerminal(a.Err) {
		a.note("nothing that has a value begins with '%s'", prefix)
	}
	return found, nil
}

// prefixURI escapes what would end the value of the query, and no more, so that
// the URI in messages stays readable.
func prefixURI(prefix string) string {
	if strings.IndexFunc(prefix, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`&#%+;"`, r) }) >= 0 {
		prefix = url.QueryEscape(prefix)
	}
	return "/?prefix=" + prefix
}

func decodeAnswer(body []byte) (any, error) {
	tree, err := decodeJSON(body)
	if err != nil {
		return nil, wordf(err, "Response contained invalid JSON '%s' - %v", body, err)
	}
	return tree, nil
}

// decodeJSON keeps numbers as they are written.
func decodeJSON(text []byte) (tree any, err error) {
	if err := checkJSON(text); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err = d.Decode(&tree)
	return tree, err
}

// merge puts src into dst: objects member by member, anything else replaces.
// null counts as not given.
func merge(dst, src map[string]any) {
	for name, value := range src {
		object, isObject := value.(map[string]any)
		below, hasObject := dst[name].(map[string]any)
		switch {
		case isObject && hasObject:
			merge(below, object)
		case value != nil || dst[name] == nil:
			dst[name] = value
		}
	}
}

// exclude removes what lies below parent and begins with prefix, and the
// objects that this empties.
func exclude(tree any, parent key.Key, prefix string) {
	object, ok := tree.(map[string]any)
	if !ok {
		return
	}
	for name, value := range object {
		k := childKey(parent, name)
		if strings.HasPrefix(string(k), strings.TrimSuffix(prefix, ".")) {
			delete(object, name)
			continue
		}
		exclude(value, k, prefix)
		if below, ok := value.(map[string]any); ok && len(below) == 0 {
			delete(object, name)
		}
	}
}

// childKey is parent's child; names that no key can have stand for themselves.
func childKey(parent key.Key, name string) key.Key {
	if parent == "" {
		return key.Key(name)
	}
	if k, err := parent.Child(name); err == nil {
		return k
	}
	return parent + "." + key.Key(name)
}

func (a *app) printTree(tree any, o getOptions) error {
	if o.canonicalize {
		text, err := json.Marshal(tree)
		if err != nil {
			return err
		}
		canonical := jsontext.Value(text)
		if err := canonical.Canonicalize(jsontext.CanonicalizeRawInts(false)); err != nil {
			return err
		}
		return a.printBody(canonical)
	}
	return o.output.Print(a.Out, tree, func(w io.Writer) { printLeaves(w, tree) })
}

// printLeaves lists keys and values, sorted.
func printLeaves(w io.Writer, tree any) {
	var rows [][]string
	walk(tree, "", func(k key.Key, value any) {
		rows = append(rows, []string{string(k), cli.ValueText(value)})
	})
	slices.SortFunc(rows, func(x, y []string) int { return strings.Compare(x[0], y[0]) })
	cli.Table(w, append([][]string{{"KEY", "VALUE"}}, rows...))
}

func walk(tree any, at key.Key, leaf func(key.Key, any)) {
	object, ok := tree.(map[string]any)
	if !ok {
		leaf(at, tree)
		return
	}
	for name, value := range object {
		walk(value, childKey(at, name), leaf)
	}
}
