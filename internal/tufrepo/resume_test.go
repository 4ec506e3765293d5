package tufrepo_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/hostler-os/hostler/internal/tufrepo"
)

func TestResume(t *testing.T) {
	data := image()
	for name, handle := range map[string]http.HandlerFunc{
		"ranges":         serving(data, `"one"`),
		"without ranges": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) },
		"breaks off":     breaking(data, 70<<10, true),
	} {
		r := withTarget(t, data, handle, quick())
		for _, read := range []int{0, 1, 100_000, len(data) - 1, len(data)} {
			first, err := r.Open(t.Context(), "image")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(first, make([]byte, read)); err != nil {
				t.Fatal(err)
			}
			state, err := first.State()
			if err := errors.Join(err, first.Close()); err != nil {
				t.Fatal(err)
			}
			second, err := r.Resume(t.Context(), "image", state)
			if err != nil {
				t.Fatalf("%s, from %d on: %v", name, read, err)
			}
			got, err := io.ReadAll(second)
			if err := errors.Join(err, second.Close()); err != nil || !bytes.Equal(got, data[read:]) {
				t.Errorf("%s, from %d on: %v", name, read, err)
			}
		}
	}
}

// brokenOff is the state of a fetch of which 1000 bytes were read.
func brokenOff(t *testing.T, r *tufrepo.Repository) []byte {
	t.Helper()
	first, err := r.Open(t.Context(), "image")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(first, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	state, err := first.State()
	if err := errors.Join(err, first.Close()); err != nil {
		t.Fatal(err)
	}
	return state
}

// What was proved is the whole: a rest that is wrong is seen, and so is another target's state.
func TestResumeRefuses(t *testing.T) {
	data := image()
	served := bytes.Clone(data)
	r := withTarget(t, data, func(w http.ResponseWriter, req *http.Request) { serving(served, `"one"`)(w, req) }, quick())
	state := brokenOff(t, r)
	served[2000] ^= 1
	second, err := r.Resume(t.Context(), "image", state)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(second); !errors.Is(err, tufrepo.ErrHash) {
		t.Errorf("a wrong rest: %v", err)
	}
	second.Close()

	for name, change := range map[string]func(map[string]any){
		"another length":  func(s map[string]any) { s["length"] = 5 },
		"another hash":    func(s map[string]any) { s["hashes"] = map[string]string{"sha256": "00"} },
		"before":          func(s map[string]any) { s["read"] = -1 },
		"behind":          func(s map[string]any) { s["read"] = len(data) + 1 },
		"no sums":         func(s map[string]any) { delete(s, "sums") },
		"sums of nothing": func(s map[string]any) { s["sums"] = map[string][]byte{"sha256": []byte("hello")} },
	} {
		var s map[string]any
		if err := json.Unmarshal(state, &s); err != nil {
			t.Fatal(err)
		}
		change(s)
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Resume(t.Context(), "image", text); !errors.Is(err, tufrepo.ErrState) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.Resume(t.Context(), "image", []byte("text")); !errors.Is(err, tufrepo.ErrState) {
		t.Errorf("text: %v", err)
	}
}
