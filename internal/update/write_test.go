package update

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pierrec/lz4/v4"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/update/delta"
)

// indexed is a world whose images have indexes, and whose running slot has
// images that differ from them in a few places.
func indexed(t testing.TB) *world {
	t.Helper()
	w := newWorld(t)
	for name, data := range w.images {
		w.index(name, data)
		old := append([]byte("older, and longer"), data...)
		copy(old[200_000:], noise(99, 50_000))
		w.run(name, old)
	}
	w.repo.Publish("targets", "snapshot", "timestamp")
	return w
}

// index gives an image an index and blocks.
func (w *world) index(name string, data []byte) {
	w.t.Helper()
	var index, blocks bytes.Buffer
	if err := delta.Build(context.Background(), bytes.NewReader(data), &index, &blocks); err != nil {
		w.t.Fatal(err)
	}
	w.repo.AddTarget("targets", name+".lz4.index", index.Bytes())
	w.repo.AddTarget("targets", name+".lz4.blocks", blocks.Bytes())
}

// run puts an image into the running slot.
func (w *world) run(name string, data []byte) {
	w.t.Helper()
	e := w.sets().Extents[w.active][parts[name]]
	f, err := os.OpenFile(e.Path, os.O_WRONLY, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = f.WriteAt(data, e.Offset)
	if err := errors.Join(err, f.Close()); err != nil {
		w.t.Fatal(err)
	}
}

// file is where the repository has a target.
func (w *world) file(name string) (path string, data []byte) {
	w.t.Helper()
	t := w.repo.Roles["targets"]["targets"].(map[string]any)[name].(map[string]any)
	path = "targets/" + t["hashes"].(map[string]any)["sha256"].(string) + "." + name
	return path, w.repo.Get(path)
}

// asked tells whether a target was asked for.
func (w *world) asked(name string) bool {
	path, _ := w.file(name)
	return strings.Contains(strings.Join(w.repo.Asked(), "\n"), path)
}

func TestDelta(t *testing.T) {
	w := indexed(t)
	if err := w.install(nil); err != nil {
		t.Fatal(err)
	}
	w.check()
	last := w.journal().Last()
	if len(last.Images) != 3 {
		t.Fatalf("%+v", last)
	}
	for _, i := range last.Images {
		_, whole := w.file(i.Image + ".lz4")
		if i.Way != api.ByDelta || i.NoDelta != "" || i.Whole != int64(len(whole)) || i.Fetched > i.Whole/2 || i.Reused < 400_000 || i.Written != 700_000 {
			t.Errorf("%+v", i)
		}
		if w.asked(i.Image + ".lz4") {
			t.Errorf("%s was fetched whole", i.Image)
		}
	}
	// Nothing is left to fetch or to write.
	if err := w.install(nil); err != nil {
		t.Fatal(err)
	}
	for _, i := range w.journal().Last().Images {
		if _, index := w.file(i.Image + ".lz4.index"); i.Fetched != int64(len(index)) || i.Written != 0 || i.Reused != 700_000 {
			t.Errorf("again: %+v", i)
		}
	}
}

// What is to be fetched is known before.
func TestMissing(t *testing.T) {
	w := indexed(t)
	w.repo.AddTarget("targets", "boot.lz4.index", []byte("hello"))
	delete(w.repo.Roles["targets"]["targets"].(map[string]any), "hash.lz4.index")
	w.repo.Publish("targets", "snapshot", "timestamp")
	c, err := Open(t.Context(), w.host)
	if err != nil {
		t.Fatal(err)
	}
	missing, err := c.Missing(t.Context(), c.Manifest.Updates[0], w.sets())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.install(nil); err != nil {
		t.Fatal(err)
	}
	var fetched int64
	for _, i := range w.journal().Last().Images {
		fetched += i.Fetched
	}
	if missing != fetched || missing > 2*700_019+300_000 {
		t.Errorf("%d expected, %d fetched", missing, fetched)
	}
}

// Whatever is wrong with a delta, the whole image is fetched, and why is remembered.
func TestDeltaThatDoesNotDo(t *testing.T) {
	tests := []struct {
		what  string
		spoil func(*world)
		why   string
	}{
		{"an index that is none", func(w *world) { w.repo.AddTarget("targets", "root.lz4.index", []byte("hello")) }, "read block index: it ends in the midst"},
		{"a huge index", func(w *world) {
			w.repo.AddTarget("targets", "root.lz4.index", make([]byte, delta.MaxIndexSize+1))
		}, "an index has at most 11534396"},
		{"an index that was altered", func(w *world) {
			path, data := w.file("root.lz4.index")
			data = bytes.Clone(data)
			data[len(data)-1] ^= 1
			w.repo.Put(path, data)
		}, "sha256 is"},
		{"an index that is gone", func(w *world) {
			path, _ := w.file("root.lz4.index")
			w.repo.Put(path, nil)
		}, "the server answered 404"},
		{"an index of a larger image", func(w *world) { w.index("root", make([]byte, 1<<30)) }, "the image is larger than its partition"},
		{"an index of another image", func(w *world) {
			_, blocks := w.file("root.lz4.blocks")
			w.index("root", noise(5, 700_000))
			w.repo.AddTarget("targets", "root.lz4.blocks", blocks)
		}, "the index says"},
		{"blocks without a signature", func(w *world) {
			delete(w.repo.Roles["targets"]["targets"].(map[string]any), "root.lz4.blocks")
		}, "no trusted metadata names it"},
		{"blocks that were altered", func(w *world) {
			path, data := w.file("root.lz4.blocks")
			w.repo.Put(path, make([]byte, len(data)))
		}, "a fetched chunk is not what the index says"},
		{"blocks that are shorter", func(w *world) {
			path, data := w.file("root.lz4.blocks")
			w.repo.Put(path, data[:1000])
		}, ""},
		{"blocks that are gone", func(w *world) {
			path, _ := w.file("root.lz4.blocks")
			w.repo.Put(path, nil)
		}, "the server answered 404"},
		{"a delta larger than the image", func(w *world) {
			w.images["root"] = bytes.Repeat(noise(6, 30_000), 20)
			for at := 0; at < len(w.images["root"]); at += 4000 {
				w.images["root"][at]++ // no chunk is like another, but parts of it are
			}
			w.images["root"] = append(w.images["root"], byte(1))
			w.repo.AddTarget("targets", "root.lz4", packed(w.t, w.images["root"]))
			w.index("root", w.images["root"])
			_, whole := w.file("root.lz4")
			_, blocks := w.file("root.lz4.blocks")
			if len(blocks) <= len(whole) {
				w.t.Fatalf("%d, and %d whole", len(blocks), len(whole))
			}
		}, "more than the whole"},
		{"a server without ranges", func(w *world) {
			server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, req *http.Request) {
				req.Header.Del("Range")
				w.repo.ServeHTTP(out, req)
			}))
			w.t.(*testing.T).Cleanup(server.Close)
			w.host.Config.TargetsBaseURL = server.URL + "/targets"
		}, "the server sent the whole file, or another one, expected bytes="},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			w := indexed(t)
			w.t = t
			test.spoil(w)
			w.repo.Publish("targets", "snapshot", "timestamp")
			if err := w.install(nil); err != nil {
				t.Fatal(err)
			}
			w.check()
			root := w.journal().Last().Images[0]
			if root.Way != api.ByWhole || root.NoDelta == "" || !strings.Contains(root.NoDelta, test.why) || root.Fetched < root.Whole {
				t.Errorf("want %q: %+v", test.why, root)
			}
		})
	}
}

// What the running slot has lost is fetched.
func TestDeltaFromADamagedSlot(t *testing.T) {
	w := indexed(t)
	w.run("root", noise(77, 300_000))
	w.run("hash", make([]byte, 700_000))
	if err := w.install(nil); err != nil {
		t.Fatal(err)
	}
	w.check()
	for _, i := range w.journal().Last().Images {
		if i.Way != api.ByDelta {
			t.Errorf("%+v", i)
		}
	}
}

// A network that breaks off for good ends the attempt; the next one goes on.
func TestDeltaIsResumed(t *testing.T) {
	w := indexed(t)
	w.images["root"] = noise(40, 5_000_000)
	w.repo.AddTarget("targets", "root.lz4", packed(t, w.images["root"]))
	w.index("root", w.images["root"])
	w.repo.Publish("targets", "snapshot", "timestamp")
	var mended atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, req *http.Request) {
		var from int64
		if _, err := fmt.Sscanf(req.Header.Get("Range"), "bytes=%d-", &from); err == nil && from > 3_000_000 && !mended.Load() {
			panic(http.ErrAbortHandler)
		}
		w.repo.ServeHTTP(out, req)
	}))
	t.Cleanup(server.Close)
	w.host.Config.TargetsBaseURL = server.URL + "/targets"
	w.host.tries = 1
	if err := w.install(nil); !errors.Is(err, tufrepo.ErrNetwork) {
		t.Fatalf("got %v", err)
	}
	if next, ok := w.sets().Next(); !ok || next != slot.A {
		t.Errorf("next boots %v, %v: %s", next, ok, w.words())
	}
	mended.Store(true)
	if err := w.install(nil); err != nil {
		t.Fatal(err)
	}
	w.check()
	first := w.journal().Last().Images[0]
	if first.Way != api.ByDelta || first.Reused < 2_500_000 || first.Fetched+first.Reused > 5_010_000 {
		t.Errorf("%+v", first)
	}
}

type counting struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.n.Add(int64(n))
	return n, err
}

// breaksOff is a server that dies after so many bytes of targets, each time.
func (w *world) breaksOff(after int64) (served *atomic.Int64) {
	served = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "root.lz4") {
			out = &dying{counting{out, served}, after}
		}
		w.repo.ServeHTTP(out, req)
	}))
	w.t.(*testing.T).Cleanup(server.Close)
	w.host.Config.TargetsBaseURL = server.URL + "/targets"
	w.host.tries, w.host.keepEvery = 1, 1
	return served
}

type dying struct {
	counting
	left int64
}

func (d *dying) Write(p []byte) (int, error) {
	n, err := d.counting.Write(p[:min(int64(len(p)), d.left)])
	if d.left -= int64(n); d.left == 0 {
		panic(http.ErrAbortHandler)
	}
	return n, err
}

// An image that is fetched whole is gone on with, over as many attempts as it takes.
func TestWholeIsResumed(t *testing.T) {
	w := newWorld(t)
	w.images["root"] = noise(41, 6_000_000)
	w.repo.AddTarget("targets", "root.lz4", packedIn(t, lz4.Block1Mb, w.images["root"]))
	w.repo.Publish("targets", "snapshot", "timestamp")
	served := w.breaksOff(2_500_000)
	for attempts := 1; ; attempts++ {
		err := w.install(nil)
		if err == nil {
			break
		}
		if attempts > 5 || !errors.Is(err, tufrepo.ErrNetwork) {
			t.Fatalf("attempt %d: %v", attempts, err)
		}
		if next, ok := w.sets().Next(); !ok || next != slot.A {
			t.Errorf("next boots %v, %v: %s", next, ok, w.words())
		}
	}
	w.check()
	// Each attempt reads again what is behind the last mark: less than two blocks.
	if n := len(w.journal().Attempts); n < 3 || served.Load() > 6_100_000+int64(n)*2<<20 {
		t.Errorf("%d attempts, %d bytes", n, served.Load())
	}
	root := w.journal().Last().Images[0]
	if root.Way != api.ByWhole || root.Reused < 3<<20 || root.Fetched > 3_000_000 || root.Written < 1<<20 {
		t.Errorf("%+v", root)
	}
	if _, err := os.Stat(w.host.Root.UpdateMark()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the mark is still there: %v", err)
	}
}

// What cannot be gone on with is begun anew, in the same attempt.
func TestMarksThatDoNotFit(t *testing.T) {
	for what, spoil := range map[string]func(*world) error{
		"the slot was written by another": func(w *world) error {
			w.active = slot.B // whose spare slot is A
			defer func() { w.active = slot.A }()
			w.run("root", noise(1, 2_000_000))
			return nil
		},
		"the mark is none": func(w *world) error { return os.WriteFile(w.host.Root.UpdateMark(), []byte("hello"), 0o600) },
		"the release was published again": func(w *world) error {
			w.images["root"] = noise(42, 6_000_000)
			w.repo.AddTarget("targets", "root.lz4", packedIn(w.t, lz4.Block1Mb, w.images["root"]))
			w.repo.Publish("targets", "snapshot", "timestamp")
			return nil
		},
		"the stream's state is another": func(w *world) error {
			text, err := os.ReadFile(w.host.Root.UpdateMark())
			if err != nil {
				return err
			}
			var m mark
			if err := json.Unmarshal(text, &m); err != nil {
				return err
			}
			m.At.Note = []byte("hello")
			text, err = json.Marshal(m)
			return errors.Join(err, os.WriteFile(w.host.Root.UpdateMark(), text, 0o600))
		},
		"the mark lies about the frame": func(w *world) error {
			text, err := os.ReadFile(w.host.Root.UpdateMark())
			text = bytes.Replace(text, []byte(`"left":-1`), []byte(`"left":1`), 1)
			return errors.Join(err, os.WriteFile(w.host.Root.UpdateMark(), text, 0o600))
		},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			w.images["root"] = noise(41, 6_000_000)
			w.repo.AddTarget("targets", "root.lz4", packedIn(t, lz4.Block1Mb, w.images["root"]))
			w.repo.Publish("targets", "snapshot", "timestamp")
			direct := w.host.Config.TargetsBaseURL
			w.breaksOff(2_500_000)
			if err := w.install(nil); !errors.Is(err, tufrepo.ErrNetwork) {
				t.Fatal(err)
			}
			if _, err := os.Stat(w.host.Root.UpdateMark()); err != nil {
				t.Fatal(err)
			}
			if err := spoil(w); err != nil {
				t.Fatal(err)
			}
			w.host.Config.TargetsBaseURL = direct
			if err := w.install(nil); err != nil {
				t.Fatal(err)
			}
			w.check()
			if root := w.journal().Last().Images[0]; root.Reused != 0 {
				t.Errorf("%+v", root)
			}
		})
	}
}

func packedIn(t testing.TB, size lz4.BlockSize, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := lz4.NewWriter(&out)
	if err := z.Apply(lz4.BlockSizeOption(size)); err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
