package server

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/key"
)

const (
	settingsRoot = "settings."
	osRoot       = "os."
)

// maskedSettings keeps the whole settings document as weak readers see it, of one snapshot.
type maskedSettings struct {
	last atomic.Pointer[maskedDocument]
}

type maskedDocument struct {
	snapshot *datastore.Snapshot
	doc      []byte
}

// document is all settings as the caller may see them.
func (s *Server) document(r *http.Request, snapshot *datastore.Snapshot) []byte {
	if connOf(r).identity.Role >= api.RoleWrite {
		return snapshot.JSON()
	}
	if last := s.masked.last.Load(); last != nil && last.snapshot == snapshot {
		return last.doc
	}
	doc := datastore.Nest(s.mask(below(snapshot, settingsRoot)), 1)
	s.masked.last.Store(&maskedDocument{snapshot, doc})
	return doc
}

// visible replaces secrets unless the caller may write them anyway.
func (s *Server) visible(r *http.Request, pairs []key.Pair) []key.Pair {
	if connOf(r).identity.Role >= api.RoleWrite {
		return pairs
	}
	return s.mask(pairs)
}

func (s *Server) mask(pairs []key.Pair) []key.Pair {
	masked := slices.Clone(pairs)
	for i := range masked {
		if s.Model.Secret(masked[i].Key) {
			masked[i].Value = api.MaskedValue()
		}
	}
	return masked
}

// below returns the effective settings whose keys' text begins with prefix.
func below(snapshot *datastore.Snapshot, prefix string) []key.Pair {
	var pairs []key.Pair
	snapshot.Ascend(prefix, func(e datastore.Entry) bool {
		pairs = append(pairs, key.Pair{Key: e.Key, Value: e.Value})
		return true
	})
	return pairs
}

// exactly returns the settings that these keys name; what has no value of its own is left out.
func exactly(snapshot *datastore.Snapshot, keys []key.Key) []key.Pair {
	slices.Sort(keys)
	var pairs []key.Pair
	for _, k := range slices.Compact(keys) {
		if e, ok := snapshot.Get(k); ok {
			pairs = append(pairs, key.Pair{Key: k, Value: e.Value})
		}
	}
	return pairs
}

func (s *Server) getSettings(w http.ResponseWriter, r *http.Request) error {
	snapshot := s.Store.Snapshot()
	if r.URL.RawQuery == "" {
		return s.getAllSettings(w, r, snapshot)
	}
	q := parseQuery(r.URL.RawQuery)
	if keys, ok, err := q.keys(); ok || err != nil {
		if err != nil {
			return err
		}
		return writeRaw(w, datastore.Nest(s.visible(r, exactly(snapshot, keys)), 1))
	}
	prefix, ok, err := q.text("prefix")
	switch {
	case err != nil:
		return err
	case ok:
		return writeRaw(w, datastore.Nest(s.visible(r, below(snapshot, rooted(prefix, settingsRoot))), 1))
	}
	return s.getAllSettings(w, r, snapshot)
}

func (s *Server) getAllSettings(w http.ResponseWriter, r *http.Request, snapshot *datastore.Snapshot) error {
	if snapshot.Len() == 0 {
		return noData("settings")
	}
	return writeRaw(w, s.document(r, snapshot))
}

// modelDocument is the answer of GET /; absent areas are left out.
type modelDocument struct {
	Settings json.RawMessage `json:"settings,omitempty"`
	Services json.RawMessage `json:"services,omitempty"`
	Files    json.RawMessage `json:"configuration-files,omitempty"`
	OS       json.RawMessage `json:"os,omitempty"`
}

func (s *Server) getRoot(w http.ResponseWriter, r *http.Request) error {
	prefix, ok, err := parseQuery(r.URL.RawQuery).text("prefix")
	if err != nil {
		return err
	}
	var doc modelDocument
	if ok {
		doc, err = s.modelBelow(r, prefix)
	} else {
		doc, err = s.wholeModel(r)
	}
	if err != nil {
		return err
	}
	return answer(w, doc)
}

func (s *Server) wholeModel(r *http.Request) (modelDocument, error) {
	snapshot := s.Store.Snapshot()
	switch {
	case snapshot.Len() == 0:
		return modelDocument{}, noData("settings")
	case len(s.catalog.services.entries) == 0:
		return modelDocument{}, noData("services")
	case len(s.catalog.files.entries) == 0:
		return modelDocument{}, noData("configuration-files")
	}
	release, err := s.osBelow("")
	return modelDocument{s.document(r, snapshot), s.catalog.services.all, s.catalog.files.all, release}, err
}

// modelBelow leaves out each area without a match.
func (s *Server) modelBelow(r *http.Request, prefix string) (doc modelDocument, err error) {
	if search, ok := searchPrefix(prefix, settingsRoot); ok {
		if pairs := below(s.Store.Snapshot(), search); len(pairs) > 0 {
			doc.Settings = datastore.Nest(s.visible(r, pairs), 1)
		}
	}
	if search, ok := searchPrefix(prefix, s.catalog.services.root); ok {
		doc.Services = orNothing(s.catalog.services.below(search))
	}
	if search, ok := searchPrefix(prefix, s.catalog.files.root); ok {
		doc.Files = orNothing(s.catalog.files.below(search))
	}
	if search, ok := searchPrefix(prefix, osRoot); ok {
		if doc.OS, err = s.osBelow(search); string(doc.OS) == "{}" {
			doc.OS = nil
		}
	}
	return doc, err
}

func orNothing(doc json.RawMessage, ok bool) json.RawMessage {
	if !ok {
		return nil
	}
	return doc
}

// searchPrefix is what a prefix of the whole model means in the area below root: the whole area
// when it is a beginning of root's name; false if it has nothing to do with it.
func searchPrefix(prefix, root string) (string, bool) {
	switch {
	case strings.HasPrefix(root, prefix):
		return root, true
	case strings.HasPrefix(prefix, root):
		return prefix, true
	}
	return "", false
}

func (s *Server) getOS(w http.ResponseWriter, r *http.Request) error {
	prefix, ok, err := parseQuery(r.URL.RawQuery).text("prefix")
	if err != nil {
		return err
	}
	if ok {
		prefix = rooted(prefix, osRoot)
	}
	doc, err := s.osBelow(prefix)
	if err != nil {
		return err
	}
	return writeRaw(w, doc)
}

// osBelow reads the release afresh and keeps the members whose key begins with prefix.
func (s *Server) osBelow(prefix string) (json.RawMessage, error) {
	release, err := s.OS()
	if err != nil {
		return nil, &api.Error{
			Code:    api.CodeInternal,
			Message: "Unable to get OS release data: " + err.Error(),
			Hint:    "the image's /usr/lib/os-release must name PRETTY_NAME, VARIANT_ID, VERSION_ID and BUILD_ID",
		}
	}
	members := release.Map()
	for name := range members {
		if !strings.HasPrefix(osRoot+name, prefix) {
			delete(members, name)
		}
	}
	return api.Marshal(members)
}
