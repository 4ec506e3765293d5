package migration

import (
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
)

// Migration changes settings from one version's form to the next one's, and
// back. Both methods are called once for every part of the document.
type Migration interface {
	Forward(*State) error
	Backward(*State) error
}

// State is what a migration looks at and changes in one call: a part of the
// document, and what is known beside it.
type State struct {
	*Store
	OS       OS
	From, To string       // versions of the image: of the whole way, not of one step
	Part     string       // "live", "shadowed LAYER" or "pending TRANSACTION", for messages
	Log      *slog.Logger // what was not done, and why; never values, which may be secret

	before *Store // the live settings before they were migrated; nil for the live part
}

// Live tells whether this is the part with the live settings.
func (s *State) Live() bool { return s.Part == "live" }

// Effective returns what is in effect in this part, as [Store.All] does: what
// it holds itself, and else what was live before the migration began.
func (s *State) Effective() iter.Seq2[string, json.RawMessage] {
	if s.before == nil {
		return s.All()
	}
	both := s.before.clone()
	for k, value := range s.All() {
		both.put(datum{key: k, text: value})
	}
	return both.All()
}

// Direction is the way that a migration runs.
type Direction int

// The directions. Forward leads to the newer version.
const (
	Forward Direction = iota
	Backward
)

// Flag is the argument that a migration is started with.
func (d Direction) Flag() string { return "--" + d.String() }

func (d Direction) String() string {
	if d == Backward {
		return "backward"
	}
	return "forward"
}

// Apply runs m over all parts of a document, as its program does. After an
// error the document may be half changed.
func Apply(m Migration, d Direction, doc *Document, log *slog.Logger) error {
	act := m.Forward
	if d == Backward {
		act = m.Backward
	}
	before := doc.liveBefore()
	for part, store := range doc.Parts() {
		state := &State{Store: store, OS: doc.OS, From: doc.From, To: doc.To, Part: part, Log: log.With("part", part)}
		if store != doc.Live {
			state.before = before
		}
		if err := act(state); err != nil {
			return fmt.Errorf("migrate %s %s: %w", part, d, err)
		}
	}
	return nil
}

// liveBefore copies the live settings for the parts that come after them, if there are any.
func (d *Document) liveBefore() *Store {
	if d.Live == nil || len(d.Shadowed)+len(d.Pending) == 0 {
		return NewStore()
	}
	return d.Live.clone()
}

// Funcs is a migration of two functions; one that is nil changes nothing.
type Funcs struct {
	Up, Down func(*State) error
}

// Forward calls Up.
func (f Funcs) Forward(s *State) error { return call(f.Up, s) }

// Backward calls Down.
func (f Funcs) Backward(s *State) error { return call(f.Down, s) }

func call(fn func(*State) error, s *State) error {
	if fn == nil {
		return nil
	}
	return fn(s)
}

// NoOp changes nothing: for a release's list of migrations to name one where a
// variant needs none.
func NoOp() Migration { return Funcs{} }
