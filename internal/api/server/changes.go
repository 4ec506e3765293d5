package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/apply"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/model"
)

// request reads a ChangeRequest and translates it for the engine.
func (s *Server) request(w http.ResponseWriter, r *http.Request) (apply.Request, error) {
	var in api.ChangeRequest
	if err := decodeBody(w, r, &in); err != nil {
		return apply.Request{}, err
	}
	id := connOf(r).identity
	out, err := s.translate(in, id.Caller)
	if err != nil {
		return apply.Request{}, err
	}
	return out, mayWrite(out.Edits.Layer, id)
}

func (s *Server) translate(in api.ChangeRequest, caller api.Caller) (out apply.Request, err error) {
	out = apply.Request{Transaction: in.Transaction, Caller: caller, ApplyAll: in.ApplyAll, Keep: in.Keep}
	if out.Edits.Layer, err = requestLayer(in); err != nil {
		return out, err
	}
	if out.Edits.Set, err = s.values(in); err != nil {
		return out, err
	}
	if out.Edits.Unset, err = s.unset(in.Unset, out.Edits.Layer); err != nil {
		return out, err
	}
	if out.Apply, err = s.resolve(in.Apply); err != nil {
		return out, err
	}
	if out.Try, err = tryTime(in.Try); err != nil {
		return out, err
	}
	return out, checkEdits(out.Edits)
}

func requestLayer(in api.ChangeRequest) (api.Layer, error) {
	switch {
	case in.Layer != "":
		return checkLayer(in.Layer)
	case in.Transaction == bootTransaction:
		return api.LayerUserData, nil
	}
	return api.LayerUser, nil
}

// values are the settings of both forms, sorted; where both give one, the pair counts.
func (s *Server) values(in api.ChangeRequest) ([]key.Pair, error) {
	var all []key.Pair
	if len(in.Settings) > 0 {
		pairs, err := s.Model.ParseJSON(in.Settings)
		if err != nil {
			return nil, unplaced(err)
		}
		all = pairs
	}
	if len(in.Pairs) > 0 {
		pairs, err := s.Model.ParsePairs(in.Pairs)
		if err != nil {
			return nil, err
		}
		all = append(pairs, all...)
	}
	slices.SortStableFunc(all, func(a, b key.Pair) int { return strings.Compare(a.Key.String(), b.Key.String()) })
	return slices.CompactFunc(all, func(a, b key.Pair) bool { return a.Key == b.Key }), nil
}

// unplaced takes lines and columns out of what the model says of a member of a
// body: they count from that member, and clients make it of other documents.
func unplaced(err error) error {
	e, ok := errors.AsType[*model.Error](err)
	if !ok {
		return err
	}
	violations := slices.Clone(e.Violations)
	for i := range violations {
		violations[i].Line, violations[i].Column = 0, 0
	}
	return &model.Error{Violations: violations}
}

// unset finds the keys that have a value in the layer at or below those asked
// for. A key without any must at least be one that the model knows.
func (s *Server) unset(texts []string, layer api.Layer) ([]key.Key, error) {
	snapshot := s.Store.Snapshot()
	var keys []key.Key
	seen := make(map[key.Key]bool) // a key may stand for very many
	for _, text := range texts {
		k, err := settingKey(text)
		if err == nil {
			if seen[k] {
				continue
			}
			seen[k] = true
			if set := snapshot.InLayer(layer, k); len(set) > 0 {
				keys = append(keys, set...)
				continue
			}
		}
		if k, err = s.Model.Resolve(text); err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

// settingKey reads a key that may leave out "settings.".
func settingKey(text string) (key.Key, error) {
	k, err := key.Parse(text)
	if err == nil && k.Segments()[0] != "settings" {
		k, err = key.Parse(settingsRoot + text)
	}
	if err != nil {
		return "", badKey(text, err)
	}
	return k, nil
}

func (s *Server) resolve(texts []string) ([]key.Key, error) {
	var keys []key.Key
	for _, text := range texts {
		k, err := s.Model.Resolve(text)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// tryTime reads how long a change is to be tried; the engine bounds it.
func tryTime(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, &api.Error{Code: api.CodeInvalid, Message: "'" + text + "' is no time to try a change for", Hint: "a duration such as 5m or 1h"}
	}
	return d, nil
}

// checkEdits refuses a key that is to be set and unset at once. The keys to unset are sorted.
func checkEdits(e datastore.Edits) error {
	for _, p := range e.Set {
		if _, unset := slices.BinarySearch(e.Unset, p.Key); unset {
			return &api.Error{Code: api.CodeInvalid, Key: p.Key.String(), Message: "the request both sets and unsets " + p.Key.String()}
		}
	}
	return nil
}

func (s *Server) plan(w http.ResponseWriter, r *http.Request) error {
	request, err := s.request(w, r)
	if err != nil {
		return err
	}
	return s.answerHeavy(w, r, func() (any, error) { return s.Engine.Plan(r.Context(), request) })
}

func (s *Server) submit(w http.ResponseWriter, r *http.Request) error {
	wait, err := parseQuery(r.URL.RawQuery).wait()
	if err != nil {
		return err
	}
	request, err := s.request(w, r)
	if err != nil {
		return err
	}
	change, err := s.Engine.Submit(context.WithoutCancel(r.Context()), request)
	if err != nil {
		return err
	}
	s.metrics.commits.Add(1)
	return s.answerChange(w, r, change, wait)
}

// answerChange answers 200 once the change is applied, one way or the other;
// 202 with its present state when it is not by the end of the wait.
func (s *Server) answerChange(w http.ResponseWriter, r *http.Request, change *api.Change, wait time.Duration) error {
	change, err := s.await(r, change, wait)
	if err != nil {
		return err
	}
	code := http.StatusAccepted
	if change.State.Settled() {
		code = http.StatusOK
	}
	writeJSON(w, code, change)
	return nil
}

// await waits until the change is settled, the time is up, the peer is gone or the server stops.
func (s *Server) await(r *http.Request, change *api.Change, wait time.Duration) (_ *api.Change, err error) {
	if wait <= 0 || change.State.Settled() {
		return change, nil
	}
	s.park(r, wait, func(ctx context.Context) { change, err = s.Engine.Wait(ctx, change.ID) })
	return change, err
}

// park waits for something that ctx bounds.
func (s *Server) park(r *http.Request, wait time.Duration, until func(ctx context.Context)) {
	defer connOf(r).enter(parked)()
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)()
	until(ctx)
}

func (s *Server) listChanges(w http.ResponseWriter, r *http.Request) error {
	before, limit, err := parseQuery(r.URL.RawQuery).page()
	if err != nil {
		return err
	}
	if err := s.awaitReady(r); err != nil {
		return err
	}
	return s.answerHeavy(w, r, func() (any, error) {
		changes, err := s.Engine.Changes(before, limit)
		return present(changes), err
	})
}

func (s *Server) getChange(w http.ResponseWriter, r *http.Request) error {
	wait, err := parseQuery(r.URL.RawQuery).wait()
	if err != nil {
		return err
	}
	if err := s.awaitReady(r); err != nil {
		return err
	}
	text := chi.URLParam(r, "id")
	if id, err := strconv.ParseUint(text, 10, 64); err == nil && wait > 0 {
		s.park(r, wait, func(ctx context.Context) { s.Engine.Await(ctx, id) })
	}
	return s.answerHeavy(w, r, func() (any, error) { return s.change(r, text) })
}

// change finds the change that a request names. It waits for recovery, before
// which a change that a crash interrupted would look as if it were under way.
func (s *Server) change(r *http.Request, text string) (*api.Change, error) {
	if err := s.awaitReady(r); err != nil {
		return nil, err
	}
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return nil, noChange(text)
	}
	change, err := s.Engine.Change(id)
	if errors.Is(err, datastore.ErrNoChange) {
		return nil, noChange(text)
	}
	return change, err
}

func (s *Server) confirm(w http.ResponseWriter, r *http.Request) error {
	change, err := s.change(r, chi.URLParam(r, "id"))
	if err != nil {
		return err
	}
	change, err = s.Engine.Confirm(context.WithoutCancel(r.Context()), change.ID, connOf(r).identity.Caller)
	if err != nil {
		return err
	}
	return answer(w, change)
}

func (s *Server) undo(w http.ResponseWriter, r *http.Request) error {
	wait, err := parseQuery(r.URL.RawQuery).wait()
	if err != nil {
		return err
	}
	change, err := s.change(r, chi.URLParam(r, "id"))
	if err != nil {
		return err
	}
	change, err = s.Engine.Undo(context.WithoutCancel(r.Context()), change.ID, connOf(r).identity.Caller)
	if err != nil {
		return err
	}
	return s.answerChange(w, r, change, wait)
}
