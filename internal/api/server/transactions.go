package server

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/apply"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/key"

	jsonv2 "github.com/go-json-experiment/json"
)

func (s *Server) patchSettings(w http.ResponseWriter, r *http.Request) error {
	body, err := jsonBody(w, r)
	if err != nil {
		return err
	}
	pairs, err := s.Model.ParseJSON(body)
	if err != nil {
		return badSettings(err)
	}
	return s.stage(w, r, pairs)
}

func (s *Server) patchKeyPairs(w http.ResponseWriter, r *http.Request) error {
	body, err := jsonBody(w, r)
	if err != nil {
		return err
	}
	texts, err := payload(body)
	if err != nil {
		return err
	}
	for _, text := range texts {
		if err := checkPair(text); err != nil {
			return err
		}
	}
	pairs, err := s.Model.ParsePairs(texts)
	if err != nil {
		return badPairs(err)
	}
	return s.stage(w, r, pairs)
}

// payload reads {"request_payload": [TEXT…]}; other members are ignored, as the reference ignores them.
func payload(body []byte) ([]string, error) {
	var form struct {
		Payload *[]*string `json:"request_payload"`
	}
	switch err := jsonv2.Unmarshal(body, &form); {
	case err != nil:
		return nil, badJSON(jsonFault(body, err))
	case form.Payload == nil:
		return nil, badJSON("missing field `request_payload`")
	}
	var texts []string
	for _, text := range *form.Payload {
		if text == nil {
			return nil, badJSON("invalid type: null, expected a string")
		}
		texts = append(texts, *text)
	}
	return texts, nil
}

// checkPair finds what is wrong with the form of key=value; the model judges the rest.
func checkPair(text string) error {
	left, _, ok := strings.Cut(text, "=")
	if !ok {
		return invalid("Failed to split the string: %s", text)
	}
	if _, err := key.Parse(left); err != nil {
		return badPrefix(left, err)
	}
	return nil
}

// stage adds to the transaction that the request names. Nothing to add makes no transaction.
func (s *Server) stage(w http.ResponseWriter, r *http.Request, pairs []key.Pair) error {
	q := parseQuery(r.URL.RawQuery)
	strength, err := q.strength()
	if err != nil {
		return err
	}
	if len(pairs) > 0 {
		name := q.transaction()
		err := s.update(r, name, func(tx *datastore.Tx) error {
			if strength == api.StrengthWeak {
				return tx.SetPendingWeak(name, pairs)
			}
			return tx.SetPending(name, pairs)
		})
		if err != nil {
			return err
		}
	}
	return noContent(w)
}

// update changes pending settings. What has been received whole is carried
// out, even if its sender goes away meanwhile.
func (s *Server) update(r *http.Request, transaction string, fn func(*datastore.Tx) error) error {
	by := datastore.Author{Caller: connOf(r).identity.Caller, Transaction: transaction}
	return s.Store.Update(context.WithoutCancel(r.Context()), by, fn)
}

func (s *Server) listTransactions(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, present(s.Store.PendingNames()))
}

func (s *Server) getTransaction(w http.ResponseWriter, r *http.Request) error {
	pairs := s.Store.Pending(parseQuery(r.URL.RawQuery).transaction())
	return writeRaw(w, datastore.Nest(s.visible(r, pairs), 1))
}

// getTransactionV2 tells the strength of each setting, too.
func (s *Server) getTransactionV2(w http.ResponseWriter, r *http.Request) error {
	name := parseQuery(r.URL.RawQuery).transaction()
	pairs, weak := s.visible(r, s.Store.Pending(name)), s.Store.PendingWeak(name)
	metadata := make(map[string]map[string]api.Strength, len(pairs))
	for _, p := range pairs {
		strength := api.StrengthStrong
		if _, found := slices.BinarySearch(weak, p.Key); found {
			strength = api.StrengthWeak
		}
		metadata[p.Key.String()] = map[string]api.Strength{"strength": strength}
	}
	return answer(w, map[string]any{"settings": json.RawMessage(datastore.Nest(pairs, 1)), "metadata": metadata})
}

func (s *Server) deleteTransaction(w http.ResponseWriter, r *http.Request) error {
	name := parseQuery(r.URL.RawQuery).transaction()
	var dropped []key.Pair
	err := s.update(r, name, func(tx *datastore.Tx) (err error) {
		dropped, err = tx.DropPending(name)
		return err
	})
	if err != nil {
		return err
	}
	return answer(w, names(dropped))
}

func names(pairs []key.Pair) []string {
	names := make([]string, len(pairs))
	for i, p := range pairs {
		names[i] = p.Key.String()
	}
	return names
}

func (s *Server) commit(w http.ResponseWriter, r *http.Request) error {
	return s.commitPending(w, r, true)
}

// commitAndApply answers when the settings are committed; they are applied in
// the background, and what comes of it is seen in GET /changes and in the log.
func (s *Server) commitAndApply(w http.ResponseWriter, r *http.Request) error {
	return s.commitPending(w, r, false)
}

func (s *Server) commitPending(w http.ResponseWriter, r *http.Request, only bool) error {
	q, id := parseQuery(r.URL.RawQuery), connOf(r).identity
	name := q.transaction()
	layer, err := q.layer(name)
	if err != nil {
		return err
	}
	if err := mayWrite(layer, id); err != nil {
		return err
	}
	if len(s.Store.Pending(name)) == 0 {
		return nothingPending()
	}
	change, err := s.Engine.Submit(context.WithoutCancel(r.Context()), apply.Request{
		Edits:       datastore.Edits{Layer: layer},
		Transaction: name,
		Unnamed:     name == "",
		Caller:      id.Caller,
		CommitOnly:  only,
		Keep:        true,
	})
	if err != nil {
		return err
	}
	s.metrics.commits.Add(1)
	return answer(w, present(change.Keys))
}

// applyKeys applies settings again, in the background: those of the parameter
// keys, else those of a JSON array in the body, else all.
func (s *Server) applyKeys(w http.ResponseWriter, r *http.Request) error {
	keys, ok, err := parseQuery(r.URL.RawQuery).keys()
	if err != nil {
		return err
	}
	if !ok {
		keys = bodyKeys(w, r)
	}
	_, err = s.Engine.Submit(context.WithoutCancel(r.Context()), apply.Request{
		Edits:    datastore.Edits{Layer: api.LayerUser},
		Caller:   connOf(r).identity.Caller,
		Apply:    keys,
		ApplyAll: len(keys) == 0,
		Keep:     true,
	})
	if err != nil {
		return err
	}
	w.Header()["Content-Type"] = jsonType
	return noContent(w)
}

// bodyKeys reads an array of keys. The reference ignores this body, so whatever is wrong with it is no error.
func bodyKeys(w http.ResponseWriter, r *http.Request) []key.Key {
	body, err := readBody(w, r)
	if err != nil || !bytes.HasPrefix(body, []byte("[")) || len(body) > maxBody {
		return nil
	}
	var texts []string
	if json.Unmarshal(body, &texts) != nil {
		return nil
	}
	var keys []key.Key
	for _, text := range texts {
		k, err := key.Parse(text)
		if err != nil {
			return nil
		}
		keys = append(keys, k)
	}
	return keys
}
