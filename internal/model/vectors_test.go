package model_test

import (
	"encoding/json"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/model"
)

// load compiles a variant of the repository.
func load(t testing.TB, variant string) *model.Model {
	t.Helper()
	m, err := model.Load(os.DirFS("../.."), variant)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// vector is one recorded answer of the reference; see test/vectors/README.md.
type vector struct {
	Group     string
	Type      string
	Path      []string
	Value     json.RawMessage
	Accepted  bool
	Status    int
	Stored    json.RawMessage
	Reference string `json:"reference_text"`
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/values.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	return vectors
}

// document nests the vector's value below its path.
func (v vector) document(t testing.TB) []byte {
	t.Helper()
	var doc any = v.Value
	for i := len(v.Path) - 1; i >= 0; i-- {
		doc = map[string]any{v.Path[i]: doc}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// nest makes the document of pairs, without the outer member.
func nest(t testing.TB, pairs []key.Pair) map[string]any {
	t.Helper()
	tree := map[string]any{}
	for _, p := range pairs {
		at := tree
		path := p.Key.Segments()[1:]
		for _, name := range path[:len(path)-1] {
			if at[name] == nil {
				at[name] = map[string]any{}
			}
			at = at[name].(map[string]any)
		}
		at[path[len(path)-1]] = decoded(t, p.Value)
	}
	return tree
}

func decoded(t testing.TB, text json.RawMessage) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// nullMembers are the vectors in which the reference stores null for what was not given.
var nullMembers = map[string]bool{"credential-providers": true}

// laterMembers came after the recorded release, which did not know them.
var laterMembers = map[string]bool{"hostname-override-source": true, "reserved-cpus": true}

func withoutNulls(v any) any {
	if m, ok := v.(map[string]any); ok {
		maps.DeleteFunc(m, func(_ string, member any) bool { return withoutNulls(member) == nil })
	}
	return v
}

func TestVectors(t *testing.T) {
	m := load(t, "aws-k8s")
	counts := map[bool]int{}
	for _, v := range readVectors(t) {
		known := m.Has(v.Path[0])
		if !known && v.Group != "nosuch" {
			continue
		}
		pairs, err := m.ParseJSON(v.document(t))
		counts[v.Accepted]++
		name := v.Type + " " + strings.Join(v.Path, ".") + " = " + string(v.Value)
		switch {
		case v.Accepted && err != nil:
			t.Errorf("%s: refused: %v", name, err)
		case !v.Accepted && err == nil && laterMembers[v.Path[len(v.Path)-1]] && strings.HasPrefix(v.Reference, "unknown field"):
		case !v.Accepted && err == nil:
			t.Errorf("%s: accepted as %v, the reference says: %s", name, pairs, v.Reference)
		case v.Accepted:
			stored := decoded(t, v.Stored)
			if nullMembers[v.Type] {
				stored = withoutNulls(stored)
			}
			if diff := cmp.Diff(any(nest(t, pairs)), stored); diff != "" {
				t.Errorf("%s: stored (-got +want):\n%s", name, diff)
			}
		}
	}
	t.Logf("%d vectors agree: %d accepted, %d refused", counts[true]+counts[false], counts[true], counts[false])
	if counts[true]+counts[false] < 550 {
		t.Error("vectors are missing")
	}
}
