package apply

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/template"
)

const (
	// templateFolder is where the model's template paths begin.
	templateFolder = "/usr/share/templates/"

	// templateLimit is the largest size of a template file, in bytes.
	templateLimit = 4 << 20
)

// templates parses template files and keeps them until they change.
type templates struct {
	fs    fs.FS
	mu    sync.Mutex
	known map[string]parsed
}

type parsed struct {
	modified time.Time
	size     int64
	template *template.Template
}

// load returns the template at a path as the model gives it.
func (t *templates) load(templatePath string) (*template.Template, error) {
	clean := path.Clean("/" + templatePath)
	name, ok := strings.CutPrefix(clean, templateFolder)
	if !ok {
		return nil, fmt.Errorf("template %s is not below %s", clean, templateFolder)
	}
	info, err := fs.Stat(t.fs, name)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	if !info.Mode().IsRegular() { // reading a pipe might never end
		return nil, fmt.Errorf("read template: %s is not a regular file", clean)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if p, ok := t.known[name]; ok && p.modified.Equal(info.ModTime()) && p.size == info.Size() {
		return p.template, nil
	}
	source, err := readLimited(t.fs, name)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	tmpl, err := template.Parse(clean, source)
	if err != nil {
		return nil, err
	}
	if t.known == nil {
		t.known = map[string]parsed{}
	}
	t.known[name] = parsed{info.ModTime(), info.Size(), tmpl}
	return tmpl, nil
}

func readLimited(files fs.FS, name string) ([]byte, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, templateLimit+1))
	if err != nil {
		return nil, err
	}
	if len(data) > templateLimit {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, templateLimit)
	}
	return data, nil
}

// groupsOf lists the settings groups that a template may see.
func groupsOf(t *template.Template) []string {
	requires := t.Requires()
	groups := make([]string, len(requires))
	for i, r := range requires {
		groups[i] = r.Extension
	}
	return groups
}

// view is one state of the settings as templates see it. It decodes only the
// groups that a template asks for, each once, so that the cost of a change
// follows what it concerns.
type view struct {
	state  *datastore.Snapshot
	groups map[string]any
	os     map[string]any
	system template.System
}

func (v *view) render(t *template.Template) ([]byte, error) {
	settings := map[string]any{}
	for _, name := range groupsOf(t) {
		value, err := v.group(name)
		if err != nil {
			return nil, err
		}
		if value != nil {
			settings[name] = value
		}
	}
	return t.Render(template.Data{Settings: settings, OS: v.os, System: v.system})
}

// group is the decoded value of settings.NAME; nil if nothing of it is set.
func (v *view) group(name string) (any, error) {
	if value, ok := v.groups[name]; ok {
		return value, nil
	}
	k, err := key.FromSegments("settings", name)
	if err != nil {
		return nil, nil // no key can have this name, so nothing is set there
	}
	value, err := decodeGroup(v.state, k)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", k, err)
	}
	v.groups[name] = value
	return value, nil
}

func decodeGroup(state *datastore.Snapshot, k key.Key) (value any, err error) {
	var pairs []key.Pair
	state.Ascend(string(k), func(entry datastore.Entry) bool {
		if entry.Key.Within(k) {
			pairs = append(pairs, key.Pair{Key: entry.Key, Value: entry.Value})
		}
		return true
	})
	if len(pairs) == 0 {
		return nil, nil
	}
	document := pairs[0].Value
	if pairs[0].Key != k {
		document = datastore.Nest(pairs, len(k.Segments()))
	}
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	err = d.Decode(&value)
	return value, err
}

// place gives an error the name of the file that could not be rendered. The
// template's own errors name their place already.
func place(name string, err error) error {
	if _, ok := errors.AsType[*template.Error](err); ok {
		return err
	}
	return fmt.Errorf("render %s: %w", name, err)
}
