package takeover

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/refstore"
)

// Export writes what the datastore at path holds into a folder, as the
// reference stores it: effective settings with the image's defaults, services,
// configuration files, metadata, pending transactions. A server may have the
// datastore open. Our layers and history have no place there.
func Export(ctx context.Context, path, to string, o Options) (*refstore.Store, error) {
	o = o.filled()
	opening := o.opening()
	opening.Defaults = o.Model.Defaults()
	draft, err := datastore.ReadDraft(ctx, path, opening)
	if err != nil {
		return nil, err
	}
	defer draft.Close()
	s := &refstore.Store{Version: o.Version, Pending: map[string]refstore.Part{}}
	if v := draft.Release().Version; v != "" {
		s.Version = v
	}
	if s.Live, err = live(draft.Snapshot(), o.Model); err != nil {
		return nil, fmt.Errorf("export datastore: %w", err)
	}
	for _, name := range draft.PendingNames() {
		s.Pending[name] = refstore.Part{Data: draft.Pending(name)}
	}
	if o.DryRun {
		return s, nil
	}
	return s, refstore.Write(o.FS, to, s)
}

func live(snap *datastore.Snapshot, m *model.Model) (refstore.Part, error) {
	var p refstore.Part
	weakly := weakGenerators(m)
	snap.Ascend("", func(e datastore.Entry) bool {
		p.Data = append(p.Data, key.Pair{Key: e.Key, Value: e.Value})
		origin, _ := snap.Origin(e.Key)
		if origin.Strength == api.StrengthWeak || e.Layer == api.LayerGenerated && weakly[e.Key] {
			p.Metadata = append(p.Metadata, refstore.Metadata{Key: e.Key, Name: strength, Value: json.RawMessage(weak)})
		}
		return true
	})
	tables, err := tables(m)
	p.Data = append(p.Data, tables...)
	p.Metadata = append(p.Metadata, metadata(m)...)
	slices.SortFunc(p.Data, func(a, b key.Pair) int { return cmp.Compare(a.Key, b.Key) })
	slices.SortStableFunc(p.Metadata, func(a, b refstore.Metadata) int { return cmp.Compare(a.Key, b.Key) })
	return p, err
}

// tables are services and configuration files, in the members that the reference has.
func tables(m *model.Model) ([]key.Pair, error) {
	var pairs []key.Pair
	add := func(value any, segments ...string) error {
		k, err := key.FromSegments(segments...)
		if err != nil {
			return err
		}
		text, err := api.Marshal(value)
		pairs = append(pairs, key.Pair{Key: k, Value: text})
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(m.Services())) {
		s := m.Services()[name]
		for member, list := range map[string][]string{"configuration-files": s.ConfigurationFiles, "restart-commands": s.RestartCommands} {
			if err := add(append([]string{}, list...), "services", name, member); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.ConfigurationFiles())) {
		f := m.ConfigurationFiles()[name]
		for member, text := range map[string]string{"path": f.Path, "template-path": f.TemplatePath, "mode": f.Mode} {
			if text == "" {
				continue
			}
			if err := add(text, "configuration-files", name, member); err != nil {
				return nil, err
			}
		}
	}
	return pairs, nil
}

// metadata is the model's, in the form of the reference: generators are their command lines.
func metadata(m *model.Model) []refstore.Metadata {
	var list []refstore.Metadata
	for _, name := range m.MetadataNames() {
		all := m.MetadataAll(name)
		for _, k := range slices.Sorted(maps.Keys(all)) {
			value := all[k]
			if name == model.MetadataSettingGenerator {
				value = commandLine(value).Command
			}
			list = append(list, refstore.Metadata{Key: k, Name: name, Value: value})
		}
	}
	return list
}

// generator is a setting generator in its longer form.
type generator struct {
	Command  json.RawMessage `json:"command"`
	Strength json.RawMessage `json:"strength"`
}

// commandLine reads a setting generator, be it a table or a command line.
func commandLine(value json.RawMessage) generator {
	var g generator
	if json.Unmarshal(value, &g) != nil || g.Command == nil {
		return generator{Command: value}
	}
	return g
}

func weakGenerators(m *model.Model) map[key.Key]bool {
	found := map[key.Key]bool{}
	for k, value := range m.MetadataAll(model.MetadataSettingGenerator) {
		found[k] = string(commandLine(value).Strength) == weak
	}
	return found
}
