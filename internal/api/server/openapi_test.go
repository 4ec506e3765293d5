package server

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
)

// document is what these tests look at in docs/openapi.yaml.
type document struct {
	Paths      map[string]map[string]operation `yaml:"paths"`
	Components struct {
		Parameters map[string]parameter      `yaml:"parameters"`
		Schemas    map[string]map[string]any `yaml:"schemas"`
	} `yaml:"components"`
}

type operation struct {
	Tags        []string       `yaml:"tags"`
	OperationID string         `yaml:"operationId"`
	Role        string         `yaml:"x-role"`
	Errors      []api.Code     `yaml:"x-errors"`
	Parameters  []parameter    `yaml:"parameters"`
	Responses   map[string]any `yaml:"responses"`
}

type parameter struct {
	Ref  string `yaml:"$ref"`
	Name string `yaml:"name"`
	In   string `yaml:"in"`
}

func openAPI(t *testing.T) (document, string) {
	t.Helper()
	text, err := os.ReadFile("../../../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc document
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return doc, string(text)
}

// described is one route in the terms that both sides have.
type described struct {
	Role   string
	Params []string
	Tag    string
}

func TestOpenAPIAndRouteTable(t *testing.T) {
	doc, _ := openAPI(t)
	want := make(map[string]described)
	for path, operations := range doc.Paths {
		for method, op := range operations {
			want[strings.ToUpper(method)+" "+path] = described{op.Role, doc.query(op), strings.Join(op.Tags, " ")}
		}
	}
	got := make(map[string]described)
	for _, rt := range routes() {
		got[rt.name()] = described{rt.role.String(), slices.Sorted(slices.Values(rt.params)), rt.tag()}
	}
	if diff := cmp.Diff(got, want, cmp.Transformer("sorted", func(s []string) string { return strings.Join(s, ",") })); diff != "" {
		t.Errorf("the route table (-) and docs/openapi.yaml (+) differ:\n%s", diff)
	}
}

// tag is the tag of a route in docs/openapi.yaml.
func (r *route) tag() string {
	s := &Server{}
	switch {
	case r.dialect == ours:
		return "hostler"
	case s.isLater(r):
		return "later"
	}
	return "reference"
}

// isLater asks the handler itself: those that are served would need more than an empty server.
func (s *Server) isLater(r *route) (later bool) {
	defer func() { _ = recover() }()
	err := r.handle(s, newProbe(), probeRequest(r))
	return err != nil && explain(err).Code == api.CodeNotImplemented
}

// query lists the names of an operation's query parameters.
func (d document) query(op operation) []string {
	var names []string
	for _, p := range op.Parameters {
		if p.Ref != "" {
			p = d.Components.Parameters[p.Ref[strings.LastIndex(p.Ref, "/")+1:]]
		}
		if p.In == "query" {
			names = append(names, p.Name)
		}
	}
	return slices.Sorted(slices.Values(names))
}

func TestOpenAPIReferences(t *testing.T) {
	doc, text := openAPI(t)
	seen := make(map[string]bool)
	for path, operations := range doc.Paths {
		for method, op := range operations {
			if op.OperationID == "" || seen[op.OperationID] {
				t.Errorf("%s %s: operationId %q is empty or not unique", method, path, op.OperationID)
			}
			seen[op.OperationID] = true
			if len(op.Responses) == 0 {
				t.Errorf("%s %s has no responses", method, path)
			}
		}
	}
	var all map[string]any
	if err := yaml.Unmarshal([]byte(text), &all); err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\$ref: '#/([^']+)'`).FindAllStringSubmatch(text, -1) {
		node := any(all)
		for segment := range strings.SplitSeq(m[1], "/") {
			members, ok := node.(map[string]any)
			if !ok || members[segment] == nil {
				t.Fatalf("$ref to %s leads nowhere", m[1])
			}
			node = members[segment]
		}
	}
}

// TestOpenAPICodes holds the codes of docs/openapi.yaml to those of package api and to docs/api.md.
func TestOpenAPICodes(t *testing.T) {
	doc, _ := openAPI(t)
	var want []string
	source, err := os.ReadFile("../errors.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`Code\s+= "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1) {
		want = append(want, m[1])
	}
	var got []string
	for _, code := range doc.Components.Schemas["Code"]["enum"].([]any) {
		got = append(got, code.(string))
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("codes in docs/openapi.yaml (-) and package api (+):\n%s", diff)
	}
	guide, err := os.ReadFile("../../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range want {
		if !strings.Contains(string(guide), "`"+code+"`") {
			t.Errorf("docs/api.md does not explain the code %s", code)
		}
	}
	for path, operations := range doc.Paths {
		for method, op := range operations {
			for _, code := range op.Errors {
				if !slices.Contains(want, string(code)) {
					t.Errorf("%s %s may answer %s, which is no code", method, path, code)
				}
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		if !strings.Contains(string(guide), "`"+path+"`") {
			t.Errorf("docs/api.md does not mention %s", path)
		}
	}
}
