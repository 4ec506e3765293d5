package server

import (
	"net/http"
	"strings"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/key"
)

func (s *Server) whoami(w http.ResponseWriter, r *http.Request) error {
	id := connOf(r).identity
	id.Groups = present(id.Groups)
	return answer(w, id)
}

// explain answers all that is known of a key: what the model says, and its value and where that came from.
func (s *Server) explain(w http.ResponseWriter, r *http.Request) error {
	text, ok, err := parseQuery(r.URL.RawQuery).text("key")
	switch {
	case err != nil:
		return err
	case !ok:
		return missingInput("key")
	}
	k, err := s.Model.Resolve(text)
	if err != nil {
		return err
	}
	explanation, err := s.Model.Explain(k)
	if err != nil {
		return err
	}
	e := *explanation
	s.fill(&e, k)
	return answer(w, e)
}

// fill adds the effective value, or the document of the values below, without secrets.
func (s *Server) fill(e *api.Explanation, k key.Key) {
	snapshot := s.Store.Snapshot()
	if origin, ok := snapshot.Origin(k); ok {
		e.Origin = &origin
	}
	if entry, ok := snapshot.Get(k); ok {
		e.Value = s.mask([]key.Pair{{Key: k, Value: entry.Value}})[0].Value
		return
	}
	var pairs []key.Pair
	for _, p := range below(snapshot, k.String()+".") {
		if p.Key.Within(k) {
			pairs = append(pairs, p)
		}
	}
	if len(pairs) > 0 {
		e.Value = datastore.Nest(s.mask(pairs), len(k.Segments()))
	}
}

func (s *Server) getSchema(w http.ResponseWriter, _ *http.Request) error {
	return writeRaw(w, s.Model.Schema())
}

func (s *Server) getKeys(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, present(s.Model.Keys()))
}

// getOrigins answers where each effective value came from, by key; or which
// keys have a value of their own in a layer, whether or not it is effective.
func (s *Server) getOrigins(w http.ResponseWriter, r *http.Request) error {
	q := parseQuery(r.URL.RawQuery)
	prefix, ok, err := q.text("prefix")
	if err != nil {
		return err
	}
	if ok {
		prefix = rooted(prefix, settingsRoot)
	}
	snapshot := s.Store.Snapshot()
	if layer, given := q["layer"]; given {
		return s.originsIn(w, snapshot, layer, prefix)
	}
	origins := make(map[string]api.Origin)
	for _, p := range below(snapshot, prefix) {
		if origin, ok := snapshot.Origin(p.Key); ok {
			origins[p.Key.String()] = origin
		}
	}
	return answer(w, origins)
}

func (s *Server) originsIn(w http.ResponseWriter, snapshot *datastore.Snapshot, name, prefix string) error {
	layer, err := checkLayer(api.Layer(name))
	if err != nil {
		return err
	}
	origins := make(map[string]api.Origin)
	for _, k := range snapshot.InLayer(layer, "") {
		if strings.HasPrefix(k.String(), prefix) {
			origins[k.String()] = api.Origin{Layer: layer}
		}
	}
	return answer(w, origins)
}

func (s *Server) getHistory(w http.ResponseWriter, r *http.Request) error {
	q := parseQuery(r.URL.RawQuery)
	before, limit, err := q.page()
	if err != nil {
		return err
	}
	var k key.Key
	if text := q["key"]; text != "" {
		if k, err = settingKey(text); err != nil {
			return err
		}
	}
	return s.answerHeavy(w, r, func() (any, error) {
		entries, err := s.Store.History(k, before, limit)
		return present(entries), err
	})
}
