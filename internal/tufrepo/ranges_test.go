package tufrepo_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/tufrepo/tufrepotest"
)

// serving serves data as plain web servers do.
func serving(data []byte, tag string) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("ETag", tag)
		http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(data))
	}
}

func ranges(t *testing.T, r *tufrepo.Repository) *tufrepo.Ranges {
	t.Helper()
	parts, err := r.Ranges(t.Context(), "image")
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

// parts are read and compared, several at a time.
func readParts(t *testing.T, parts *tufrepo.Ranges, data []byte) {
	t.Helper()
	var group sync.WaitGroup
	for _, span := range [][2]int{{0, 1}, {0, 1000}, {5, 100_000}, {len(data) - 1, len(data)}, {0, len(data)}, {1, len(data)}} {
		group.Go(func() {
			got := make([]byte, span[1]-span[0])
			if err := parts.ReadRange(t.Context(), got, int64(span[0])); err != nil || !bytes.Equal(got, data[span[0]:span[1]]) {
				t.Errorf("%v: %v", span, err)
			}
		})
	}
	group.Wait()
}

func TestRanges(t *testing.T) {
	data := image()
	var requests atomic.Int32
	readParts(t, ranges(t, withTarget(t, data, func(w http.ResponseWriter, req *http.Request) {
		requests.Add(1)
		if req.Header.Get("Range") == "" {
			t.Error("the whole was asked for")
		}
		serving(data, `"one"`)(w, req)
	}, quick())), data)
	if n := requests.Load(); n != 6 {
		t.Errorf("%d requests", n)
	}
}

// cutShort lets a server send so much of each answer.
type cutShort struct {
	http.ResponseWriter
	left int
}

func (w *cutShort) Write(p []byte) (int, error) {
	if len(p) > w.left {
		p = p[:w.left]
	}
	w.left -= len(p)
	n, _ := w.ResponseWriter.Write(p)
	if w.left == 0 {
		panic(http.ErrAbortHandler)
	}
	return n, nil
}

func TestRangesBreakOff(t *testing.T) {
	data := image()
	readParts(t, ranges(t, withTarget(t, data, func(w http.ResponseWriter, req *http.Request) {
		serving(data, `"one"`)(&cutShort{w, 70 << 10}, req)
	}, quick())), data)
}

// Servers behind one address may each have a tag of their own: who reads parts
// has a proof of each, so that tags say nothing more.
func TestRangesWhileTagsChange(t *testing.T) {
	data := image()
	var requests atomic.Int32
	readParts(t, ranges(t, withTarget(t, data, func(w http.ResponseWriter, req *http.Request) {
		serving(data, fmt.Sprintf(`"%d"`, requests.Add(1)))(&cutShort{w, 200 << 10}, req)
	}, quick())), data)
}

func TestRangesRefused(t *testing.T) {
	data := image()
	whole := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) }
	for name, test := range map[string]struct {
		handle http.HandlerFunc
		kind   error
	}{
		"ignored":     {whole, tufrepo.ErrRange},
		"refused":     {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(416) }, tufrepo.ErrRange},
		"longer file": {serving(append(bytes.Clone(data), 0), `"one"`), tufrepo.ErrLength},
		"other part": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-999/%d", len(data)))
			w.WriteHeader(http.StatusPartialContent)
		}, tufrepo.ErrRange},
		"dies": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, tufrepo.ErrNetwork},
		"gone": {http.NotFound, tufrepo.ErrNotFound},
	} {
		parts := ranges(t, withTarget(t, data, test.handle, quick()))
		err := parts.ReadRange(t.Context(), make([]byte, 1000), 5)
		if !errors.Is(err, test.kind) {
			t.Errorf("%s: got %v, want %v", name, err, test.kind)
		}
	}
	parts := ranges(t, withTarget(t, data, whole, quick()))
	for _, span := range [][2]int{{0, 0}, {-1, 1}, {0, len(data) + 1}, {len(data), 1}} {
		if err := parts.ReadRange(t.Context(), make([]byte, span[1]), int64(span[0])); err == nil || !strings.Contains(err.Error(), "it has 307200") {
			t.Errorf("%v: %v", span, err)
		}
	}
}

// Folders and bundles have parts too; what is too short is seen.
func TestRangesOfFiles(t *testing.T) {
	data := image()
	repo := tufrepotest.New(t)
	repo.AddTarget("targets", "image", data)
	repo.Publish("targets", "snapshot", "timestamp")
	dir := t.TempDir()
	repo.WriteTo(dir)
	r, err := tufrepo.Open(t.Context(), tufrepo.Dir(filepath.Join(dir, "metadata"), filepath.Join(dir, "targets")), tufrepo.Options{TrustedRoot: repo.Root()})
	if err != nil {
		t.Fatal(err)
	}
	readParts(t, ranges(t, r), data)
}
