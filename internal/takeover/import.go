package takeover

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/refstore"
)

// Options are what an import or an export goes by.
type Options struct {
	Model *model.Model // of the image
	Log   *slog.Logger // nil: none
	Now   func() time.Time
	FS    durable.FS // nil: the host's

	Version string // Import: what the settings are of; "": as the reference's links say. Export: if the datastore does not say it
	Lenient bool   // Import: store values that the model refuses all the same; they have no effect, but are not lost
	DryRun  bool   // write nothing
	BootID  string // Import: of this boot, during which pending transactions stay; "": they are not imported
}

func (o Options) filled() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FS == nil {
		o.FS = durable.OS{}
	}
	return o
}

// opening are the options of the datastore: no value is left out because it
// does not fit.
func (o Options) opening() datastore.Options {
	return datastore.Options{Secret: o.Model.Secret, BootID: o.BootID, Log: o.Log, Now: o.Now, FS: o.FS, CopyAfter: -1}
}

// Report is what an import did, or would.
type Report struct {
	Version   string       // of the settings
	User      []key.Key    // stored as the user's
	Generated []key.Key    // stored as generated
	Defaults  []key.Key    // not stored: they are the image's defaults
	Weak      []key.Key    // not stored: they end with a boot or a version, and are made anew
	Refused   []api.Misfit // by the model; stored only if Options.Lenient
	Pending   []string     // transactions that are pending here too
	Dropped   []string     // transactions that are not
	Left      int          // keys of services, configuration files and others, which the image has
	Ignored   []string     // files whose names are no keys
}

// RefusedError is returned by Import when the model refuses values.
type RefusedError struct{ Refused []api.Misfit }

func (e *RefusedError) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "import datastore: the model refuses %d of its values; nothing was imported", len(e.Refused))
	for _, m := range e.Refused {
		fmt.Fprintf(&text, "\n  %s: %s", m.Key, strings.TrimPrefix(m.Message, m.Key+": "))
	}
	return text.String()
}

// Import makes the datastore at path, which must not exist yet, from that of
// the reference in the folder from. After an error nothing is there. With a
// [RefusedError] comes the report, as with success.
func Import(ctx context.Context, from, path string, o Options) (*Report, error) {
	o = o.filled()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil, &api.Error{
			Code: api.CodeConflict, Message: fmt.Sprintf("import datastore: there is one already: %s", path),
			Hint: "stop apiserver and move it away first; nothing of it is merged",
		}
	}
	s, err := refstore.Read(from)
	if err != nil {
		return nil, err
	}
	i := classify(s, o)
	if len(i.report.Refused) > 0 && !o.Lenient {
		return &i.report, &RefusedError{i.report.Refused}
	}
	if o.DryRun {
		return &i.report, nil
	}
	return &i.report, i.write(ctx, path, o)
}

// imported is what is to be stored, by layer and by transaction.
type imported struct {
	report  Report
	layers  map[api.Layer][]key.Pair
	pending map[string][]key.Pair

	generators map[key.Key]json.RawMessage
}

// classify decides what becomes of every value.
func classify(s *refstore.Store, o Options) *imported {
	i := &imported{layers: map[api.Layer][]key.Pair{}, pending: map[string][]key.Pair{}}
	i.report = Report{Version: s.Version, Ignored: s.Ignored}
	if o.Version != "" {
		i.report.Version = o.Version
	}
	i.generators = generators(s.Live)
	weakly := having(s.Live, func(m refstore.Metadata) bool { return m.Name == strength && string(m.Value) == weak })
	defaults := defaultValues(o.Model)
	for _, p := range s.Live.Data {
		if !p.Key.Within("settings") {
			i.report.Left++
			continue
		}
		if has(weakly, p.Key) {
			i.report.Weak = append(i.report.Weak, p.Key)
			continue
		}
		layer := api.LayerUser
		if i.generators[p.Key] != nil {
			layer = api.LayerGenerated
		}
		for _, p := range i.fit(p, layer, o.Model) {
			i.live(p, layer, defaults)
		}
	}
	i.classifyPending(s, o)
	return i
}

// live notes one value that is to be stored, or is a default.
func (i *imported) live(p key.Pair, layer api.Layer, defaults map[key.Key]json.RawMessage) {
	keys := map[api.Layer]*[]key.Key{api.LayerUser: &i.report.User, api.LayerGenerated: &i.report.Generated}[layer]
	if bytes.Equal(defaults[p.Key], p.Value) {
		i.report.Defaults = append(i.report.Defaults, p.Key)
		return
	}
	*keys = append(*keys, p.Key)
	i.layers[layer] = append(i.layers[layer], p)
}

func (i *imported) classifyPending(s *refstore.Store, o Options) {
	for _, name := range slices.Sorted(maps.Keys(s.Pending)) {
		var pairs []key.Pair
		for _, p := range s.Pending[name].Data {
			if p.Key.Within("settings") && o.BootID != "" {
				pairs = append(pairs, i.fit(p, api.LayerUser, o.Model)...)
			}
		}
		if len(pairs) == 0 {
			i.report.Dropped = append(i.report.Dropped, name)
			continue
		}
		i.report.Pending = append(i.report.Pending, name)
		i.pending[name] = pairs
	}
}

// fit returns a value in the form in which the model stores it. One that it
// refuses is noted, and stays as it is.
func (i *imported) fit(p key.Pair, layer api.Layer, m *model.Model) []key.Pair {
	pairs, err := m.ParseJSON(datastore.Nest([]key.Pair{p}, 1))
	if err == nil {
		return pairs
	}
	if m.Check(p) == nil { // it lacks but members that have keys of their own
		return []key.Pair{p}
	}
	misfit := api.Misfit{Key: string(p.Key), Layer: layer, Message: err.Error()}
	if refusal, ok := errors.AsType[*model.Error](err); ok {
		for n := range refusal.Violations { // of a document that nobody sees
			refusal.Violations[n].Line, refusal.Violations[n].Column = 0, 0
		}
		misfit.Message, misfit.Hint = refusal.API().Message, refusal.API().Hint
	}
	i.report.Refused = append(i.report.Refused, misfit)
	return []key.Pair{p}
}

// generators are the metadata setting-generator, by key.
func generators(p refstore.Part) map[key.Key]json.RawMessage {
	all := map[key.Key]json.RawMessage{}
	for _, m := range p.Metadata {
		if m.Name == model.MetadataSettingGenerator {
			all[m.Key] = m.Value
		}
	}
	return all
}

// having are the keys, sorted, that have some metadata.
func having(p refstore.Part, is func(refstore.Metadata) bool) []key.Key {
	var keys []key.Key
	for _, m := range p.Metadata {
		if is(m) {
			keys = append(keys, m.Key)
		}
	}
	return keys
}

func has(sorted []key.Key, k key.Key) bool {
	_, found := slices.BinarySearch(sorted, k)
	return found
}

// The metadata of values that do not outlive a change of versions.
const (
	strength = "strength"
	weak     = `"weak"`
)

func defaultValues(m *model.Model) map[key.Key]json.RawMessage {
	values := map[key.Key]json.RawMessage{}
	for _, p := range m.Defaults() {
		values[p.Key] = p.Value
	}
	return values
}

// write makes the datastore in memory and shows it, whole, by one rename.
func (i *imported) write(ctx context.Context, path string, o Options) error {
	draft, err := datastore.NewDraft(o.opening())
	if err != nil {
		return err
	}
	author := datastore.Author{
		Caller: api.Caller{PID: int32(os.Getpid()), Program: "migrator"}, Transaction: api.TransactionImport,
		Reason: "import of the datastore of version " + i.report.Version,
	}
	err = draft.Update(ctx, author, i.fill)
	if err == nil {
		err = draft.Replace(path, func() error { return nil })
	}
	if err = errors.Join(err, draft.Close()); err != nil {
		return fmt.Errorf("import datastore: %w", err)
	}
	return nil
}

func (i *imported) fill(tx *datastore.Tx) error {
	for _, layer := range []api.Layer{api.LayerGenerated, api.LayerUser} {
		if err := tx.Edit(datastore.Edits{Layer: layer, Set: i.layers[layer]}); err != nil {
			return err
		}
	}
	for _, name := range i.report.Pending {
		if err := tx.SetPending(name, i.pending[name]); err != nil {
			return err
		}
	}
	return tx.SetRelease(datastore.Release{Version: i.report.Version, Generators: i.generators})
}
