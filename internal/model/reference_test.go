package model_test

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/model"
)

var update = flag.Bool("update", false, "write docs/settings.md anew")

// TestReference holds docs/settings.md to the models.
func TestReference(t *testing.T) {
	const file = "../../docs/settings.md"
	variants, err := model.Variants(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	var models []*model.Model
	for _, name := range variants {
		models = append(models, load(t, name))
	}
	var got bytes.Buffer
	if err := model.WriteReference(&got, models...); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got.String(), string(want)); diff != "" {
		t.Errorf("docs/settings.md is out of date; run go generate ./internal/model (-got +want):\n%s", diff)
	}
}
