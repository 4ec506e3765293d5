package datastore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
)

// open opens a store that is closed, and judged by bbolt's own check, at the end.
func open(t testing.TB, path string, opts Options) *Store {
	t.Helper()
	if opts.Log == nil {
		opts.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	}
	s, err := Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t testing.TB, s *Store) {
	t.Helper()
	if s.closed {
		return
	}
	if err := s.db.View(func(btx *bbolt.Tx) error {
		for err := range btx.Check() {
			t.Error("bbolt finds fault:", err)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func tempPath(t testing.TB) string { return filepath.Join(t.TempDir(), "datastore.db") }

func tempStore(t testing.TB) *Store {
	t.Helper()
	return open(t, tempPath(t), Options{})
}

func pair(k, v string) key.Pair { return key.Pair{Key: key.MustParse(k), Value: json.RawMessage(v)} }

func update(t testing.TB, s *Store, fn func(*Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), Author{}, fn); err != nil {
		t.Fatal(err)
	}
}

func setIn(layer api.Layer, pairs ...key.Pair) func(*Tx) error {
	return func(tx *Tx) error { return tx.Edit(Edits{Layer: layer, Set: pairs}) }
}

func set(pairs ...key.Pair) func(*Tx) error { return setIn(api.LayerUser, pairs...) }

func unset(keys ...key.Key) func(*Tx) error {
	return func(tx *Tx) error { return tx.Edit(Edits{Layer: api.LayerUser, Unset: keys}) }
}

func wantJSON(t testing.TB, s *Store, want string) {
	t.Helper()
	if diff := cmp.Diff(string(s.Snapshot().JSON()), want); diff != "" {
		t.Errorf("settings (-got +want):\n%s", diff)
	}
}

func TestSettingSurvivesReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "datastore.db")
	s := open(t, path, Options{})
	update(t, s, set(pair("settings.motd", ` "hi there" `), pair("settings.ntp.time-servers", `["a", "b"]`)))
	const want = `{"motd":"hi there","ntp":{"time-servers":["a","b"]}}`
	wantJSON(t, s, want)
	closeStore(t, s)
	s = open(t, path, Options{})
	wantJSON(t, s, want)
	update(t, s, unset("settings.motd", "settings.missing"))
	wantJSON(t, s, `{"ntp":{"time-servers":["a","b"]}}`)
}

func TestHigherLayerHidesLower(t *testing.T) {
	s := open(t, tempPath(t), Options{Defaults: []key.Pair{pair("settings.motd", `"default"`)}})
	value := func() string {
		e, _ := s.Snapshot().Get("settings.motd")
		return string(e.Layer) + "=" + string(e.Value)
	}
	layers := []api.Layer{api.LayerUser, api.LayerGenerated, api.LayerUserData}
	for _, l := range layers {
		update(t, s, setIn(l, pair("settings.motd", fmt.Sprintf("%q", l))))
	}
	got := []string{value()}
	for _, l := range []api.Layer{api.LayerUser, api.LayerUserData, api.LayerGenerated, api.LayerGenerated} {
		update(t, s, func(tx *Tx) error { return tx.Edit(Edits{Layer: l, Unset: []key.Key{"settings.motd"}}) })
		got = append(got, value())
	}
	want := []string{`user="user"`, `user-data="user-data"`, `generated="generated"`, `default="default"`, `default="default"`}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
}

func TestDefaultsAreNotStored(t *testing.T) {
	path := tempPath(t)
	s := open(t, path, Options{Defaults: []key.Pair{pair("settings.motd", `"old"`)}})
	update(t, s, set(pair("settings.a", `1`)))
	closeStore(t, s)
	s = open(t, path, Options{Defaults: []key.Pair{pair("settings.motd", `"new"`)}})
	wantJSON(t, s, `{"a":1,"motd":"new"}`)
}

func TestOriginSurvivesReopening(t *testing.T) {
	path := tempPath(t)
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	s := open(t, path, Options{Now: func() time.Time { return now }})
	by := Author{Caller: api.Caller{UID: 1000, GID: 100, PID: 7}, Transaction: "t"}
	var id uint64
	err := s.Update(t.Context(), by, func(tx *Tx) (err error) {
		if err := set(pair("settings.motd", `"x"`))(tx); err != nil {
			return err
		}
		id, err = tx.NextChange()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := api.Origin{Layer: api.LayerUser, Transaction: "t", Change: 1, Caller: &by.Caller, Time: now}
	for range 2 {
		got, _ := s.Snapshot().Origin("settings.motd")
		if diff := cmp.Diff(got, want); diff != "" || id != 1 {
			t.Errorf("change %d: %s", id, diff)
		}
		closeStore(t, s)
		s = open(t, path, Options{})
	}
}

func TestFailedUpdateLeavesNothing(t *testing.T) {
	stop := errors.New("no")
	cancelled, cancel := context.WithCancel(t.Context())
	tests := []struct {
		name string
		ctx  context.Context
		fn   func(*Tx) error
		want error
	}{
		{"function fails", t.Context(), func(*Tx) error { return stop }, stop},
		{"context ends", cancelled, func(*Tx) error { cancel(); return nil }, context.Canceled},
		{"context has ended", cancelled, func(*Tx) error { return nil }, context.Canceled},
	}
	path := tempPath(t)
	s := open(t, path, Options{})
	update(t, s, set(pair("settings.a", `1`)))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := s.Update(test.ctx, Author{}, func(tx *Tx) error {
				return errors.Join(everything(tx), test.fn(tx))
			})
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			wantOnlyA(t, s)
		})
	}
	closeStore(t, s)
	wantOnlyA(t, open(t, path, Options{}))
}

func TestPanicInUpdateLeavesTheStoreUsable(t *testing.T) {
	s := tempStore(t)
	func() {
		defer func() { _ = recover() }()
		update(t, s, func(tx *Tx) error {
			if err := everything(tx); err != nil {
				return err
			}
			panic("bug")
		})
	}()
	update(t, s, set(pair("settings.a", `1`)))
	wantOnlyA(t, s)
}

// everything does one of everything that an update can do.
func everything(tx *Tx) error {
	id, err := tx.NextChange()
	return errors.Join(
		err,
		tx.Edit(Edits{Layer: api.LayerUser, Set: []key.Pair{pair("settings.b", `2`)}, Unset: []key.Key{"settings.a"}}),
		tx.SetPending("t", []key.Pair{pair("settings.c", `3`)}),
		tx.PutChange(id, true, []byte("record")),
		tx.PutFile("/etc/motd", []byte("digest")),
	)
}

// wantOnlyA wants a store in which nothing but settings.a was ever set, once.
func wantOnlyA(t *testing.T, s *Store) {
	t.Helper()
	wantJSON(t, s, `{"a":1}`)
	names := s.PendingNames()
	history, err1 := s.History("", 0, 10)
	changes, err2 := s.Changes(0, 10)
	open, err3 := s.OpenChanges()
	file, err4 := s.File("/etc/motd")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	if len(names) > 0 || len(history) != 1 || len(changes) > 0 || len(open) > 0 || file != nil {
		t.Errorf("got pending %q, history %v, changes %q, open %q, file %q", names, history, changes, open, file)
	}
}

func TestUpdateRefuses(t *testing.T) {
	long := strings.Repeat("n", maxName+1)
	large := key.Pair{Key: "settings.a", Value: json.RawMessage(`"` + strings.Repeat("v", maxValue) + `"`)}
	pending := func(name string, p ...key.Pair) func(*Tx) error {
		return func(tx *Tx) error { return tx.SetPending(name, p) }
	}
	tests := []struct {
		name string
		fn   func(*Tx) error
		want api.Code
	}{
		{"default layer", setIn(api.LayerDefault, pair("settings.a", `1`)), api.CodeInvalid},
		{"no layer", setIn("", pair("settings.a", `1`)), api.CodeInvalid},
		{"unknown layer", setIn("upper", pair("settings.a", `1`)), api.CodeInvalid},
		{"key outside settings", set(pair("services.a", `1`)), api.CodeInvalid},
		{"settings as a whole", set(pair("settings", `1`)), api.CodeInvalid},
		{"key that only begins alike", set(pair("settingsa.b", `1`)), api.CodeInvalid},
		{"value that is not JSON", set(pair("settings.a", `{`)), api.CodeInvalid},
		{"no value", set(pair("settings.a", ``)), api.CodeInvalid},
		{"large value", set(large), api.CodeTooLarge},
		{"pending: not JSON", pending("", pair("settings.a", `x`)), api.CodeInvalid},
		{"pending: large value", pending("", large), api.CodeTooLarge},
		{"pending: long name", pending(long, pair("settings.a", `1`)), api.CodeTooLarge},
		{"pending: too many", manyPending, api.CodeTooLarge},
		{"pending: too much", muchPending, api.CodeTooLarge},
		{"large change", func(tx *Tx) error { return tx.PutChange(1, true, make([]byte, maxRecord+1)) }, api.CodeTooLarge},
		{"file without path", func(tx *Tx) error { return tx.PutFile("", []byte("x")) }, api.CodeInvalid},
		{"file with long path", func(tx *Tx) error { return tx.PutFile("/"+strings.Repeat("p", maxPath), []byte("x")) }, api.CodeInvalid},
		{"large file record", func(tx *Tx) error { return tx.PutFile("/a", make([]byte, maxFiles)) }, api.CodeTooLarge},
	}
	s := tempStore(t)
	update(t, s, set(pair("settings.a", `1`)))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := s.Update(t.Context(), Author{}, test.fn)
			if err == nil || api.AsError(err).Code != test.want {
				t.Errorf("got %v, want code %s", err, test.want)
			}
			wantOnlyA(t, s)
		})
	}
}

func manyPending(tx *Tx) error {
	for i := range maxTransactions + 1 {
		if err := tx.SetPending(fmt.Sprint(i), []key.Pair{pair("settings.a", `1`)}); err != nil {
			return err
		}
	}
	return nil
}

func muchPending(tx *Tx) error {
	value := json.RawMessage(`"` + strings.Repeat("v", maxValue/2) + `"`)
	for i := range 2*maxPending/maxValue + 1 {
		if err := tx.SetPending(fmt.Sprint(i), []key.Pair{{Key: "settings.a", Value: value}}); err != nil {
			return err
		}
	}
	return nil
}

func TestAllSettingsAreLimited(t *testing.T) {
	s := open(t, tempPath(t), Options{CopyAfter: -1}) // a copy would be as large
	value := json.RawMessage(`"` + strings.Repeat("v", maxValue-1000) + `"`)
	var pairs []key.Pair
	for i := range maxValues / maxValue {
		pairs = append(pairs, key.Pair{Key: key.Key(fmt.Sprintf("settings.k%d", i)), Value: value})
	}
	update(t, s, set(pairs...))
	err := s.Update(t.Context(), Author{}, set(pair("settings.more", string(value))))
	if err == nil || api.AsError(err).Code != api.CodeTooLarge {
		t.Errorf("got %v", err)
	}
	update(t, s, unset("settings.k0"))
}

func TestTransactionsDoNotSeeEachOther(t *testing.T) {
	path := tempPath(t)
	s := open(t, path, Options{})
	names := []string{"", "../../up", "a", "sp ace", "with.dot", "\x00\xff", "é", strings.Repeat("n", maxName)}
	slices.Sort(names)
	for i, name := range names {
		update(t, s, func(tx *Tx) error { return tx.SetPending(name, []key.Pair{pair("settings.n", fmt.Sprint(i))}) })
		update(t, s, func(tx *Tx) error { return tx.SetPending(name, []key.Pair{pair("settings.a", fmt.Sprint(i))}) })
	}
	closeStore(t, s)
	s = open(t, path, Options{})
	if len(s.Snapshot().JSON()) != 2 {
		t.Errorf("pending settings are visible: %s", s.Snapshot().JSON())
	}
	for i, name := range names {
		want := []key.Pair{pair("settings.a", fmt.Sprint(i)), pair("settings.n", fmt.Sprint(i))}
		if diff := cmp.Diff(s.Pending(name), want); diff != "" {
			t.Errorf("%q: %s", name, diff)
		}
		var dropped []key.Pair
		update(t, s, func(tx *Tx) (err error) { dropped, err = tx.DropPending(name); return err })
		if diff := cmp.Diff(dropped, want); diff != "" {
			t.Errorf("%q dropped: %s", name, diff)
		}
		if diff := cmp.Diff(s.PendingNames(), append([]string{}, names[i+1:]...)); diff != "" {
			t.Errorf("after %q: %s", name, diff)
		}
	}
	update(t, s, func(tx *Tx) error {
		dropped, err := tx.DropPending("missing")
		if len(dropped) > 0 {
			t.Errorf("got %v of a transaction that does not exist", dropped)
		}
		return err
	})
}

func TestPendingOfAnotherBootIsDropped(t *testing.T) {
	path := tempPath(t)
	for _, step := range []struct {
		boot string
		want []string
	}{{"one", nil}, {"one", []string{"one"}}, {"two", nil}, {"", []string{"two"}}, {"two", []string{"two"}}} {
		s := open(t, path, Options{BootID: step.boot})
		if names := s.PendingNames(); strings.Join(names, " ") != strings.Join(step.want, " ") {
			t.Errorf("boot %q: got %q, want %q", step.boot, names, step.want)
		}
		if step.boot != "" {
			update(t, s, func(tx *Tx) error { return tx.SetPending(step.boot, []key.Pair{pair("settings.a", `1`)}) })
		}
		closeStore(t, s)
	}
}

// A weak value ends with its boot, and a strong one does not become weak.
func TestWeakEndsWithItsBoot(t *testing.T) {
	path := tempPath(t)
	weak := func(name string, pairs ...key.Pair) func(*Tx) error {
		return func(tx *Tx) error { return tx.SetPendingWeak(name, pairs) }
	}
	s := open(t, path, Options{BootID: "one"})
	update(t, s, set(pair("settings.strong", `1`)))
	update(t, s, weak("t", pair("settings.a", `1`), pair("settings.b", `2`)))
	update(t, s, func(tx *Tx) error { return tx.SetPending("t", []key.Pair{pair("settings.b", `3`)}) })
	for _, refused := range []key.Key{"settings.strong", "settings.b"} {
		err := s.Update(t.Context(), Author{}, weak("t", key.Pair{Key: refused, Value: []byte(`7`)}))
		if err == nil || !strings.Contains(err.Error(), "Trying to change the strength from strong to weak for key: "+string(refused)) {
			t.Errorf("%s: got %v", refused, err)
		}
	}
	closeStore(t, s)

	s = open(t, path, Options{BootID: "one"}) // the program, not the host, was started again
	want := []key.Pair{pair("settings.a", `1`), pair("settings.b", `3`)}
	if diff := cmp.Diff(s.Pending("t"), want); diff != "" {
		t.Errorf("pending (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(s.PendingWeak("t"), []key.Key{"settings.a"}); diff != "" {
		t.Errorf("weak (-got +want):\n%s", diff)
	}
	update(t, s, func(tx *Tx) error {
		pairs, err := tx.DropPending("t")
		return errors.Join(err, tx.Edit(Edits{Layer: api.LayerUserData, Set: pairs, Weak: []key.Key{"settings.a"}}))
	})
	closeStore(t, s)
	for _, boot := range []struct{ id, want string }{
		{"one", "settings.a settings.b settings.strong"}, {"", "settings.a settings.b settings.strong"}, {"two", "settings.b settings.strong"},
	} {
		s := open(t, path, Options{BootID: boot.id})
		if got := snapshotKeys(s); got != boot.want {
			t.Errorf("in boot %q there are %s, want %s", boot.id, got, boot.want)
		}
		closeStore(t, s)
	}
}

func snapshotKeys(s *Store) string {
	var keys []string
	s.Snapshot().Ascend("", func(e Entry) bool {
		keys = append(keys, string(e.Key))
		return true
	})
	return strings.Join(keys, " ")
}

func TestHistory(t *testing.T) {
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	secret := func(k key.Key) bool { return k == "settings.secret" }
	s := open(t, tempPath(t), Options{Secret: secret, Now: func() time.Time { return now }, Defaults: []key.Pair{pair("settings.a", `0`)}})
	by := Author{Caller: api.Caller{UID: 1}, Transaction: "t", Change: 9, Reason: "because"}
	for _, fn := range []func(*Tx) error{
		set(pair("settings.a", `"<1>"`), pair("settings.secret", `"s3cret"`)),
		func(tx *Tx) error {
			return tx.Edit(Edits{Layer: api.LayerUser, Set: []key.Pair{pair("settings.b.c", `[1]`)}, Unset: []key.Key{"settings.a", "settings.none"}})
		},
		unset("settings.none"),
		unset("settings.secret"),
	} {
		if err := s.Update(t.Context(), by, fn); err != nil {
			t.Fatal(err)
		}
	}
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	entry := func(id uint64, edits ...api.Edit) api.HistoryEntry {
		return api.HistoryEntry{ID: id, Time: now, Caller: by.Caller, Transaction: "t", Change: 9, Reason: "because", Edits: edits}
	}
	user := api.LayerUser
	all := []api.HistoryEntry{
		entry(3, api.Edit{Key: "settings.secret", Layer: user, Before: raw(`"(secret)"`)}),
		entry(2,
			api.Edit{Key: "settings.a", Layer: user, Before: raw(`"<1>"`), After: raw(`0`)},
			api.Edit{Key: "settings.b.c", Layer: user, After: raw(`[1]`)}),
		entry(1,
			api.Edit{Key: "settings.a", Layer: user, Before: raw(`0`), After: raw(`"<1>"`)},
			api.Edit{Key: "settings.secret", Layer: user, After: raw(`"(secret)"`)}),
	}
	aOnly := []api.HistoryEntry{entry(2, all[1].Edits[0]), entry(1, all[2].Edits[0])}
	tests := []struct {
		k      key.Key
		before uint64
		limit  int
		want   []api.HistoryEntry
	}{
		{"", 0, 10, all},
		{"", 0, 2, all[:2]},
		{"", 3, 10, all[1:]},
		{"", 99, 1, all[:1]},
		{"", 1, 10, nil},
		{"", 0, 0, nil},
		{"settings.a", 0, 10, aOnly},
		{"settings.b", 0, 10, []api.HistoryEntry{entry(2, all[1].Edits[1])}},
		{"settings.none", 0, 10, nil},
	}
	for _, test := range tests {
		got, err := s.History(test.k, test.before, test.limit)
		if diff := cmp.Diff(got, test.want); diff != "" || err != nil {
			t.Errorf("History(%q, %d, %d): %v\n%s", test.k, test.before, test.limit, err, diff)
		}
	}
}

func TestSecretsAreMaskedInTheHistoryOfTheFile(t *testing.T) {
	path := tempPath(t)
	s := open(t, path, Options{Secret: func(key.Key) bool { return true }})
	update(t, s, set(pair("settings.secret", `"s3cret-text"`)))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(data), "s3cret-text"); n != 1 {
		t.Errorf("the secret is %d times in the file, not once", n)
	}
}

func TestChanges(t *testing.T) {
	path := tempPath(t)
	s := open(t, path, Options{})
	for i := range 4 {
		update(t, s, func(tx *Tx) error {
			id, err := tx.NextChange()
			if id != uint64(i+1) {
				t.Errorf("got id %d, want %d", id, i+1)
			}
			return errors.Join(err, tx.PutChange(id, true, fmt.Append(nil, "open ", id)))
		})
	}
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.PutChange(2, false, []byte("done 2")), tx.PutChange(4, false, nil))
	})
	for range 2 {
		texts := func(records [][]byte, err error) string {
			return fmt.Sprintf("%q %v", records, err)
		}
		checks := [][2]string{
			{texts(s.Changes(0, 10)), `["" "open 3" "done 2" "open 1"] <nil>`},
			{texts(s.Changes(3, 1)), `["done 2"] <nil>`},
			{texts(s.Changes(0, 0)), `[] <nil>`},
			{texts(s.OpenChanges()), `["open 1" "open 3"] <nil>`},
		}
		for _, c := range checks {
			if c[0] != c[1] {
				t.Errorf("got %s, want %s", c[0], c[1])
			}
		}
		if record, err := s.Change(2); string(record) != "done 2" || err != nil {
			t.Errorf("got %q, %v", record, err)
		}
		if _, err := s.Change(5); !errors.Is(err, ErrNoChange) {
			t.Errorf("got %v, want ErrNoChange", err)
		}
		closeStore(t, s)
		s = open(t, path, Options{})
	}
	update(t, s, func(tx *Tx) error {
		if id, err := tx.NextChange(); id != 5 || err != nil {
			t.Errorf("got id %d, %v; want 5", id, err)
		}
		return nil
	})
}

func TestOldChangesAndHistoryAreForgotten(t *testing.T) {
	s := tempStore(t)
	update(t, s, func(tx *Tx) error { return tx.PutChange(1, true, []byte("open")) })
	const extra = 5
	update(t, s, func(tx *Tx) error {
		for id := range uint64(keepChanges + extra) {
			if err := tx.PutChange(id+2, false, []byte("done")); err != nil {
				return err
			}
		}
		for id := range uint64(keepHistory + extra) {
			tx.next.history = id
			if err := tx.appendHistory([]place{{"settings.a", api.LayerUser}}); err != nil {
				return err
			}
		}
		return nil
	})
	changes, err := s.Changes(0, 2*keepChanges)
	if err != nil || len(changes) != keepChanges+1 || string(changes[keepChanges]) != "open" {
		t.Errorf("kept %d changes, %v", len(changes), err)
	}
	if _, err := s.Change(extra + 1); !errors.Is(err, ErrNoChange) {
		t.Errorf("change %d is still there", extra+1)
	}
	history, err := s.History("", 0, 2*keepHistory)
	if err != nil || len(history) != keepHistory || history[0].ID != keepHistory+extra {
		t.Errorf("kept %d commits, %v", len(history), err)
	}
}

func TestFiles(t *testing.T) {
	path := tempPath(t)
	s := open(t, path, Options{})
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.PutFile("/etc/a", []byte("1")), tx.PutFile("/etc/b", []byte("2")))
	})
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.PutFile("/etc/a", []byte("3")), tx.PutFile("/etc/b", nil))
	})
	closeStore(t, s)
	s = open(t, path, Options{})
	for file, want := range map[string][]byte{"/etc/a": []byte("3"), "/etc/b": nil, "/etc/c": nil, "": nil} {
		got, err := s.File(file)
		if diff := cmp.Diff(got, want); diff != "" || err != nil {
			t.Errorf("%s: %v %s", file, err, diff)
		}
	}
}

func TestUnfitValuesStayButDoNotShow(t *testing.T) {
	path := tempPath(t)
	s := open(t, path, Options{})
	update(t, s, set(pair("settings.a", `1`), pair("settings.b", `2`), pair("settings.c", `3`)))
	closeStore(t, s)
	stop := errors.New("unknown key")
	s = open(t, path, Options{Valid: func(p key.Pair) error {
		if p.Key != "settings.a" {
			return stop
		}
		return nil
	}})
	wantJSON(t, s, `{"a":1}`)
	want := []Unfit{{"settings.b", api.LayerUser, stop}, {"settings.c", api.LayerUser, stop}}
	if diff := cmp.Diff(s.Unfit(), want, cmp.Comparer(func(a, b error) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	update(t, s, unset("settings.b"))
	if n := len(s.Unfit()); n != 1 {
		t.Errorf("%d unfit values, want 1", n)
	}
	closeStore(t, s)
	wantJSON(t, open(t, path, Options{}), `{"a":1,"c":3}`)
}

func TestClosedStore(t *testing.T) {
	s := tempStore(t)
	update(t, s, set(pair("settings.a", `1`)))
	snap := s.Snapshot()
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Update(t.Context(), Author{}, set()); !errors.Is(err, ErrClosed) {
		t.Errorf("update: got %v", err)
	}
	if _, err := s.Changes(0, 1); !errors.Is(err, ErrClosed) {
		t.Errorf("read: got %v", err)
	}
	if got := string(snap.JSON()); got != `{"a":1}` {
		t.Errorf("snapshot: got %s", got)
	}
}

func TestCloseWaitsForTheUpdateInHand(t *testing.T) {
	path := tempPath(t)
	s := open(t, path, Options{})
	begun, done := make(chan bool), make(chan error)
	go func() {
		done <- s.Update(t.Context(), Author{}, func(tx *Tx) error {
			begun <- true
			time.Sleep(20 * time.Millisecond)
			return set(pair("settings.a", `1`))(tx)
		})
	}()
	<-begun
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	wantOnlyA(t, open(t, path, Options{}))
}

func TestOnlyOneMayHoldTheStore(t *testing.T) {
	path := tempPath(t)
	open(t, path, Options{})
	if _, err := acquire(path+suffixLock, 20*time.Millisecond); !errors.Is(err, ErrHeld) {
		t.Errorf("got %v, want ErrHeld", err)
	}
}

// Lists of large records are cut, and can be read to their end.
func TestLongListsAreCut(t *testing.T) {
	s := tempStore(t)
	value := json.RawMessage(`"` + strings.Repeat("x", 1<<20) + `"`)
	for i := range 9 {
		update(t, s, func(tx *Tx) error {
			id, err := tx.NextChange()
			if err != nil {
				return err
			}
			k := key.MustParse(fmt.Sprintf("settings.k%d", i))
			return errors.Join(tx.Edit(Edits{Layer: api.LayerUser, Set: []key.Pair{{Key: k, Value: value}}}), tx.PutChange(id, false, value))
		})
	}
	var looks int
	for before := uint64(10); before > 1; looks++ {
		history, err := s.History("", before, 1000)
		changes, err2 := s.Changes(before, 1000)
		if err := errors.Join(err, err2); err != nil || len(history) != len(changes) || len(history) < 1 || len(history) > 5 {
			t.Fatalf("%d and %d entries before %d, %v", len(history), len(changes), before, err)
		}
		before = history[len(history)-1].ID
	}
	if looks != 3 {
		t.Errorf("%d looks", looks)
	}
}

// TestRoomIsReserved: on a disk that is full, the next commits still succeed.
func TestRoomIsReserved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "datastore.db")
	closeStore(t, open(t, path, Options{}))
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		t.Fatal(err)
	}
	if got := stat.Blocks * 512; got < stat.Size+reserved {
		t.Errorf("%d bytes of the disk are taken, for a file of %d", got, stat.Size)
	}
}
