package datastore

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
)

func TestNest(t *testing.T) {
	tests := []struct {
		name  string
		strip int
		pairs []key.Pair
		want  string
	}{
		{"nothing", 1, nil, `{}`},
		{"one", 0, []key.Pair{pair("settings.motd", `"x"`)}, `{"settings":{"motd":"x"}}`},
		{"stripped", 1, []key.Pair{pair("settings.motd", `"x"`)}, `{"motd":"x"}`},
		{"stripped to nothing", 2, []key.Pair{pair("settings.motd", `"x"`)}, `{}`},
		{"siblings and cousins", 1, []key.Pair{
			pair("settings.a.b.c", `1`), pair("settings.a.b.d", `[{"x":2}]`), pair("settings.a.e", `{}`), pair("settings.f", `null`),
		}, `{"a":{"b":{"c":1,"d":[{"x":2}]},"e":{}},"f":null}`},
		{"dots in names", 1, []key.Pair{
			pair(`settings.kernel."net.core".x`, `1`), pair(`settings.kernel.net.core`, `2`),
		}, `{"kernel":{"net.core":{"x":1},"net":{"core":2}}}`},
		{"names that begin alike", 1, []key.Pair{
			pair("settings.a", `1`), pair("settings.a-b", `2`), pair("settings.ab", `3`),
		}, `{"a":1,"a-b":2,"ab":3}`},
		{"a value in the place of an object", 1, []key.Pair{
			pair("settings.a", `1`), pair("settings.a-b", `2`), pair("settings.a.b", `3`),
		}, `{"a-b":2,"a":{"b":3}}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(string(Nest(test.pairs, test.strip)), test.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Nesting loses nothing: the leaves of the document are the pairs.
func TestNestKeepsEveryLeaf(t *testing.T) {
	segment := rapid.StringMatching(`[a-c]{1,2}(\.[a-b])?`)
	rapid.Check(t, func(t *rapid.T) {
		want := map[string]string{}
		for i := range rapid.IntRange(0, 20).Draw(t, "n") {
			// Names of one depth cannot be in each other's place.
			k, err := key.FromSegments(rapid.SliceOfN(segment, 3, 3).Draw(t, "key")...)
			if err != nil {
				t.Fatal(err)
			}
			want[string(k)] = fmt.Sprint(i)
		}
		var pairs []key.Pair
		for k, v := range want {
			pairs = append(pairs, key.Pair{Key: key.Key(k), Value: json.RawMessage(v)})
		}
		slices.SortFunc(pairs, func(a, b key.Pair) int { return compareKeys(a.Key, b.Key) })
		var doc map[string]map[string]map[string]json.Number
		if err := json.Unmarshal(Nest(pairs, 0), &doc); err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for a, inner := range doc {
			for b, leaves := range inner {
				for c, v := range leaves {
					k, err := key.FromSegments(a, b, c)
					if err != nil {
						t.Fatal(err)
					}
					got[string(k)] = v.String()
				}
			}
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Error(diff)
		}
	})
}

func compareKeys(a, b key.Key) int { return slices.Compare([]byte(a), []byte(b)) }

func layered(t *testing.T) *Snapshot {
	t.Helper()
	s := newSnapshot()
	for _, e := range []Edits{
		{Layer: api.LayerDefault, Set: []key.Pair{pair("settings.a.x", `"d"`), pair("settings.b", `"d"`)}},
		{Layer: api.LayerUser, Set: []key.Pair{pair("settings.a.x", `"u"`), pair("settings.a.y", `"u"`), pair("settings.a-b", `"u"`)}},
	} {
		s = s.With(e)
	}
	return s
}

func TestSnapshotViews(t *testing.T) {
	s := layered(t)
	if diff := cmp.Diff(s.InLayer(api.LayerUser, "settings.a"), []key.Key{"settings.a.x", "settings.a.y"}); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(s.InLayer(api.LayerDefault, ""), []key.Key{"settings.a.x", "settings.b"}); diff != "" {
		t.Error(diff)
	}
	if v, ok := s.ValueIn(api.LayerDefault, "settings.a.x"); !ok || string(v) != `"d"` {
		t.Errorf("got %s, %v", v, ok)
	}
	if v, ok := s.ValueIn(api.LayerUserData, "settings.a.x"); ok {
		t.Errorf("got %s, want nothing", v)
	}
	if _, ok := s.Origin("settings.none"); ok {
		t.Error("origin of a key that is not set")
	}
	var got []string
	s.Ascend("settings.a", func(e Entry) bool {
		got = append(got, fmt.Sprintf("%s %s %s", e.Key, e.Layer, e.Value))
		return len(got) < 2
	})
	if diff := cmp.Diff(got, []string{`settings.a-b user "u"`, `settings.a.x user "u"`}); diff != "" {
		t.Error(diff)
	}
	if got, want := string(s.JSON()), `{"a-b":"u","a":{"x":"u","y":"u"},"b":"d"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWithLeavesTheOriginalAlone(t *testing.T) {
	s := layered(t)
	before := string(s.JSON())
	next := s.With(Edits{Layer: api.LayerUser, Set: []key.Pair{pair("settings.b", `1`)}, Unset: []key.Key{"settings.a.x", "settings.a.y", "settings.b"}})
	if diff := cmp.Diff(string(next.JSON()), `{"a-b":"u","a":{"x":"d"},"b":1}`); diff != "" {
		t.Error(diff)
	}
	if string(s.clone().JSON()) != before {
		t.Errorf("the original became %s", s.clone().JSON())
	}
}

func TestEditsKeys(t *testing.T) {
	e := Edits{Set: []key.Pair{pair("settings.b", `1`), pair("settings.a", `1`)}, Unset: []key.Key{"settings.c", "settings.a"}}
	if diff := cmp.Diff(e.Keys(), []key.Key{"settings.a", "settings.b", "settings.c"}); diff != "" {
		t.Error(diff)
	}
}
