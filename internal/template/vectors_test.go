package template_test

import (
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/template"
)

// vectors are recorded answers of the reference.
type vectors struct {
	Settings map[string]map[string]any `json:"settings"`
	Vectors  []vector                  `json:"vectors"`
}

type vector struct {
	Name     string         `json:"name"`
	State    string         `json:"state"`
	Template string         `json:"template"`
	Output   *string        `json:"output"`
	Class    template.Class `json:"class"`
	Compare  string         `json:"compare"`
}

// faults are what the reference gets wrong: the vector, and what Handlebars says.
var faults = map[string]string{"if-8": "b"}

func loadVectors(t testing.TB) vectors {
	t.Helper()
	file, err := os.Open("testdata/templates.json")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	decoder := json.NewDecoder(file)
	decoder.UseNumber()
	var v vectors
	if err := decoder.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVectors(t *testing.T) {
	v := loadVectors(t)
	agreed := 0
	for _, vector := range v.Vectors {
		ok := t.Run(vector.Name, func(t *testing.T) { testVector(t, vector, v.Settings[vector.State]) })
		if ok {
			agreed++
		}
	}
	t.Logf("%d of %d vectors agree", agreed, len(v.Vectors))
	if len(v.Vectors) < 171 {
		t.Errorf("there are %d vectors, want 171 or more", len(v.Vectors))
	}
}

func testVector(t *testing.T, v vector, settings map[string]any) {
	want := v.Output
	if v.Compare == "fault" {
		right, ok := faults[v.Name]
		if !ok {
			t.Fatal("a fault of which it is not known what would be right")
		}
		want = &right
	}
	got, err := render(v.Name, v.Template, settings)
	if want == nil {
		if e := new(template.Error); !errors.As(err, &e) || e.Class != v.Class {
			t.Fatalf("%q: got output %q and error %v, want an error of class %s", v.Template, got, err, v.Class)
		}
		return
	}
	if err != nil {
		t.Fatalf("%q: %v", v.Template, err)
	}
	if diff := cmp.Diff(got, *want); diff != "" {
		t.Errorf("%q (-got +want):\n%s", v.Template, diff)
	}
}

func render(name, text string, settings map[string]any) (string, error) {
	compiled, err := template.Parse(name, []byte(text))
	if err != nil {
		return "", err
	}
	out, err := compiled.Render(template.Data{Settings: settings})
	return string(out), err
}
