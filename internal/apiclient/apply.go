package apiclient

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
)

const applyHelp = `Changes settings as documents say, all of them together or none.

A document is TOML or JSON with a table "settings" at its top level, as user
data is. Later documents win over earlier ones. A URI is one of:

  -                     standard input; also when there is no URI
  file:///path          a file on this host
  http:// and https://  fetched from here, by way of the proxy of the environment
  base64:DATA           the document itself

Everything is fetched and read before anything is sent.`

func newApply(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "apply [URI…]",
		Short:   "change settings as documents say",
		Long:    applyHelp,
		Example: "  apiclient apply < settings.toml\n  apiclient apply --dry-run file:///etc/base.toml https://example.com/more.toml",
		Args:    cobra.ArbitraryArgs,
	}
	o := addChangeFlags(c)
	c.RunE = runE(func(ctx context.Context, args []string) error {
		documents, err := a.load(ctx, args)
		if err != nil {
			return changeFailed("Failed to apply settings", err)
		}
		settings, err := combined(documents)
		if err != nil {
			return err
		}
		err = a.change(ctx, api.ChangeRequest{Settings: settings}, o)
		return changeFailed("Failed to apply settings", documentRefused(err, documents))
	})
	return c
}

// document is what one source says below "settings".
type document struct {
	source   string
	settings map[string]any
}

// load fetches and reads all sources, in their order; none means standard input.
func (a *app) load(ctx context.Context, sources []string) ([]document, error) {
	if len(sources) == 0 {
		sources = []string{"-"}
	}
	if err := checkSources(sources); err != nil {
		return nil, err
	}
	texts, err := a.fetchAll(ctx, sources)
	if err != nil {
		return nil, err
	}
	documents := make([]document, len(sources))
	for i, source := range sources {
		settings, err := parseDocument(source, texts[i])
		if err != nil {
			return nil, err
		}
		documents[i] = document{source, settings}
	}
	return documents, nil
}

func checkSources(sources []string) error {
	for i, source := range sources {
		if source == "-" && slices.Contains(sources[:i], source) {
			return usagef("Standard input can be read only once")
		}
	}
	return nil
}

func combined(documents []document) (json.RawMessage, error) {
	all := map[string]any{}
	for _, d := range documents {
		merge(all, d.settings)
	}
	return json.Marshal(all)
}

// documentRefused names the document that the model is against.
func documentRefused(err error, documents []document) error {
	e, ok := errors.AsType[*api.Error](err)
	if !ok || !refused(e) {
		return err
	}
	return wordf(err, "Failed to deserialize settings from '%s' into this variant's model: %s", blamed(e.Key, documents), blame(e))
}

// blamed finds the document whose value of the key counts: the last that has
// it. The key may lead into a list, and may be cut short where the text is no key.
func blamed(name string, documents []document) string {
	name, _, _ = strings.Cut(name, "[")
	segments := key.Key(name).Segments()
	if len(segments) > 0 && segments[0] == "settings" {
		segments = segments[1:]
	}
	for _, d := range slices.Backward(documents) {
		if reaches(d.settings, segments) {
			return d.source
		}
	}
	return documents[len(documents)-1].source
}

func reaches(tree any, segments []string) bool {
	for _, s := range segments {
		object, ok := tree.(map[string]any)
		if !ok {
			return false
		}
		if tree, ok = object[s]; !ok {
			return false
		}
	}
	return true
}
