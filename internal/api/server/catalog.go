package server

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/model"
)

// A catalog is the part of the answers that the image fixes: services and
// configuration files, encoded once.
type catalog struct {
	services, files area
}

// An area is the named objects below one root, such as "services.".
type area struct {
	root    string
	entries []entry // by name
	all     json.RawMessage
}

// An entry is one object and the texts of its leaves' keys, which is what prefixes are compared with.
type entry struct {
	name string
	keys []string
	doc  json.RawMessage
}

func newCatalog(m *model.Model) (catalog, error) {
	services := make(map[string]model.Service, len(m.Services()))
	for name, service := range m.Services() {
		service.ConfigurationFiles = present(service.ConfigurationFiles)
		service.RestartCommands = present(service.RestartCommands)
		services[name] = service
	}
	var c catalog
	var err error
	if c.services, err = newArea("services.", services); err != nil {
		return catalog{}, err
	}
	c.files, err = newArea("configuration-files.", m.ConfigurationFiles())
	return c, err
}

// present makes a list that is not there an empty one: clients see [], never null.
func present[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func newArea[T any](root string, objects map[string]T) (area, error) {
	a := area{root: root}
	for name, object := range objects {
		e, err := newEntry(strings.TrimSuffix(root, "."), name, object)
		if err != nil {
			return area{}, err
		}
		a.entries = append(a.entries, e)
	}
	slices.SortFunc(a.entries, func(x, y entry) int { return strings.Compare(x.name, y.name) })
	a.all = object(a.entries)
	return a, nil
}

func newEntry(root, name string, object any) (entry, error) {
	doc, err := api.Marshal(object)
	if err != nil {
		return entry{}, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(doc, &members); err != nil {
		return entry{}, err
	}
	e := entry{name: name, doc: doc}
	for member := range members {
		k, err := key.FromSegments(root, name, member)
		if err != nil {
			return entry{}, err
		}
		e.keys = append(e.keys, k.String())
	}
	return e, nil
}

// named returns the objects of these names; the first that does not exist is an error.
func (a area) named(names []string) (json.RawMessage, error) {
	var found []entry
	for _, name := range names {
		i, ok := slices.BinarySearchFunc(a.entries, name, func(e entry, name string) int { return strings.Compare(e.name, name) })
		if !ok {
			return nil, noData(a.root + name)
		}
		if !slices.ContainsFunc(found, func(e entry) bool { return e.name == name }) {
			found = append(found, a.entries[i])
		}
	}
	return object(found), nil
}

// below returns the objects that have a key beginning with prefix, whole; false if there is none.
func (a area) below(prefix string) (json.RawMessage, bool) {
	var found []entry
	for _, e := range a.entries {
		if slices.ContainsFunc(e.keys, func(k string) bool { return strings.HasPrefix(k, prefix) }) {
			found = append(found, e)
		}
	}
	return object(found), len(found) > 0
}

// object joins encoded members, in their order.
func object(entries []entry) json.RawMessage {
	doc := []byte{'{'}
	for i, e := range entries {
		if i > 0 {
			doc = append(doc, ',')
		}
		name, _ := api.Marshal(e.name) // a string can always be encoded
		doc = append(append(append(doc, name...), ':'), e.doc...)
	}
	return append(doc, '}')
}

func (s *Server) getServices(w http.ResponseWriter, r *http.Request) error {
	return getArea(w, r, s.catalog.services)
}

func (s *Server) getConfigurationFiles(w http.ResponseWriter, r *http.Request) error {
	return getArea(w, r, s.catalog.files)
}

func getArea(w http.ResponseWriter, r *http.Request, a area) error {
	q := parseQuery(r.URL.RawQuery)
	if names, ok, err := q.list("names"); ok || err != nil {
		if err != nil {
			return err
		}
		doc, err := a.named(names)
		if err != nil {
			return err
		}
		return writeRaw(w, doc)
	}
	prefix, ok, err := q.text("prefix")
	switch {
	case err != nil:
		return err
	case ok:
		doc, _ := a.below(rooted(prefix, a.root))
		return writeRaw(w, doc)
	case len(a.entries) == 0:
		return noData(strings.TrimSuffix(a.root, "."))
	}
	return writeRaw(w, a.all)
}

// rooted puts root ("settings.") before a prefix that does not begin with its word.
func rooted(prefix, root string) string {
	if strings.HasPrefix(prefix, strings.TrimSuffix(root, ".")) {
		return prefix
	}
	return root + prefix
}

// Metadata names in the model; the routes' names differ.
const (
	affectedServices = "affected-services"
	settingGenerator = "setting-generator"
	template         = "template"
)

func (s *Server) getAffectedServices(w http.ResponseWriter, r *http.Request) error {
	return s.getMetadata(w, r, affectedServices)
}

func (s *Server) getTemplates(w http.ResponseWriter, r *http.Request) error {
	return s.getMetadata(w, r, template)
}

func (s *Server) getMetadata(w http.ResponseWriter, r *http.Request, name string) error {
	keys, ok, err := parseQuery(r.URL.RawQuery).keys()
	switch {
	case err != nil:
		return err
	case !ok:
		return missingInput("keys")
	}
	found := make(map[key.Key]json.RawMessage)
	for _, k := range keys {
		if value, ok := s.Model.Metadata(name, k); ok {
			found[k] = value
		}
	}
	return answer(w, found)
}

// getGenerators answers the command lines, the only form that older clients know.
func (s *Server) getGenerators(w http.ResponseWriter, _ *http.Request) error {
	commands := map[key.Key]string{}
	for k, text := range s.Model.MetadataAll(settingGenerator) {
		var g api.Generator
		if err := json.Unmarshal(text, &g); err != nil {
			return err
		}
		commands[k] = g.Command
	}
	return answer(w, commands)
}

// templateGenerator makes a setting of the template in its metadata.
const templateGenerator = "schnauzer "

// getGeneratorsV2 answers both forms as the image has them. A setting that has
// a template and no generator is generated from the template.
func (s *Server) getGeneratorsV2(w http.ResponseWriter, _ *http.Request) error {
	all := map[key.Key]json.RawMessage{}
	for k := range s.Model.MetadataAll(template) {
		command, err := json.Marshal(templateGenerator + "'" + k.String() + "'")
		if err != nil {
			return err
		}
		all[k] = command
	}
	maps.Copy(all, s.Model.MetadataAll(settingGenerator))
	return answer(w, all)
}
