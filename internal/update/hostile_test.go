package update

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/tufrepo/tufrepotest"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// untouched is a host that nothing has happened to.
func (w *world) untouched(words string) {
	w.t.Helper()
	if next, ok := w.sets().Next(); !ok || next != slot.A || w.words() != words {
		w.t.Errorf("next boots %v, %v: %s", next, ok, w.words())
	}
}

// A repository that is not what it was, or not whole, is refused before
// anything is touched, also by a host that has been without news since an
// update; when it is well again, the host goes on.
func TestHostileMetadata(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(*world)
		want  error
	}{
		"expired": {func(w *world) {
			w.host.Now = func() time.Time { return time.Now().AddDate(0, 2, 0) }
		}, tufrepo.ErrExpired},
		"frozen": {func(w *world) { // an attacker holds the news back until the old is too old
			old := w.repo.Get("metadata/timestamp.json")
			w.repo.Publish("targets", "snapshot", "timestamp")
			w.repo.Put("metadata/timestamp.json", old)
			w.host.Now = func() time.Time { return time.Now().AddDate(0, 2, 0) }
		}, tufrepo.ErrExpired},
		"rolled back": {func(w *world) {
			w.repo.Roles["timestamp"]["version"] = 1
			w.repo.Republish("timestamp")
		}, tufrepo.ErrRollback},
		"an older snapshot under a newer timestamp": {func(w *world) {
			w.repo.Roles["snapshot"]["version"] = 1
			w.repo.Republish("snapshot")
			w.repo.Publish("timestamp")
		}, tufrepo.ErrRollback},
		"an older manifest under a newer snapshot": {func(w *world) {
			w.repo.Roles["targets"]["version"] = 1
			w.repo.Republish("targets")
			w.repo.Publish("snapshot", "timestamp")
		}, tufrepo.ErrRollback},
		"files of two publications": {func(w *world) {
			old := w.repo.Get("metadata/" + w.repo.FileName("targets"))
			w.repo.Publish("targets", "snapshot", "timestamp")
			w.repo.Put("metadata/"+w.repo.FileName("targets"), old)
		}, tufrepo.ErrVersion},
		"signed by a stranger": {func(w *world) {
			w.repo.Signers["targets"] = []*tufrepotest.Key{w.repo.Key(tufrepotest.Ed25519)}
			w.repo.Publish("targets", "snapshot", "timestamp")
		}, tufrepo.ErrThreshold},
		"signed by too few": {func(w *world) {
			w.repo.Signers["targets"] = w.repo.Signers["targets"][:1]
			w.repo.Publish("targets", "snapshot", "timestamp")
		}, tufrepo.ErrThreshold},
		"oversized": {func(w *world) {
			w.repo.Put("metadata/timestamp.json", append(w.repo.Get("metadata/timestamp.json"), bytes.Repeat([]byte(" "), 1<<20)...))
		}, tufrepo.ErrLength},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.repo.AddKey("targets", tufrepotest.Ed25519)
			w.repo.Role("targets")["threshold"] = 2
			w.repo.Publish("root", "targets", "snapshot", "timestamp")
			if err := w.install(nil); err != nil {
				t.Fatal(err)
			}
			words, attempts := w.words(), len(w.journal().Attempts)
			well := w.repo.Save()
			test.spoil(w)
			if err := w.install(nil); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			w.untouched(words)
			w.check()
			if n := len(w.journal().Attempts); n != attempts {
				t.Errorf("%d attempts, want %d: nothing was begun", n, attempts)
			}
			w.host.Now = time.Now
			well()
			w.repo.Publish("root", "targets", "snapshot", "timestamp")
			if err := w.install(nil); err != nil {
				t.Errorf("when it is well again: %v", err)
			}
		})
	}
}

// Names that would lead somewhere else, signed by a publisher who was careless
// or worse: nothing appears outside of the folders of updates.
func TestNamesThatLeadElsewhere(t *testing.T) {
	for _, name := range []string{
		"../../../../etc/cron.d/x", "/etc/passwd", "a/../../../x", "..", ".", "a/..", "x/", "-rf", ".hidden", "..\\..\\x",
		"%2e%2e%2fx", strings.Repeat("x", 300), "a\nb", "updates.json", "manifest.json/x", "~root/x", "$(reboot)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			data := packed(t, []byte("a migration"))
			w.repo.AddTarget("targets", name, data)
			if resolved := strings.TrimPrefix(filepath.Clean("/"+name), "/"); resolved != name {
				w.repo.Put(tufrepotest.TargetFile(resolved, data), data)
			}
			w.offer("1.1.0", func(m *manifest.Manifest) { m.Migrations[0].Targets = []string{name} })
			before := w.files()
			failed := w.install(nil)
			for file := range w.files() {
				if !before[file] && !slices.ContainsFunc([]string{
					"var/lib/bottlerocket-migrations/", "var/cache/bottlerocket-metadata/", "var/lib/hostler/metadata/", "var/lib/hostler/cached-versions.json", "run/hostler/",
				}, func(prefix string) bool { return strings.HasPrefix(file, prefix) }) && file != "var/lib/hostler/updates.json" {
					t.Errorf("%s appeared (%v)", file, failed)
				}
			}
			if next, ok := w.sets().Next(); !ok || next != slot.A {
				t.Errorf("next boots %v, %v", next, ok)
			}
			w.offer("1.1.0")
			if err := w.install(nil); err != nil {
				t.Errorf("the next attempt: %v", err)
			}
		})
	}
}

// files are all below the folder that holds the host's.
func (w *world) files() map[string]bool {
	w.t.Helper()
	all := map[string]bool{}
	root := w.host.Root.Join("/")
	err := filepath.WalkDir(filepath.Dir(filepath.Clean(root)), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(root, path)
			all[rel] = true
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// Images whose few bytes become many, in either format, with or without saying so.
func TestBombs(t *testing.T) {
	stated := func(data []byte, claim uint64) []byte {
		z, err := zstd.NewWriter(nil, zstd.WithSingleSegment(true))
		if err != nil {
			t.Fatal(err)
		}
		frame := z.EncodeAll(data, nil)
		// The frame's content size is in the 4 bytes behind magic and descriptor.
		if claim > 0 {
			binary.LittleEndian.PutUint32(frame[5:], uint32(claim))
		}
		return frame
	}
	zeros := make([]byte, 64<<20)
	streamed := new(bytes.Buffer)
	z, err := zstd.NewWriter(streamed, zstd.WithWindowSize(1<<20))
	if err == nil {
		_, err = z.Write(zeros)
	}
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	window := new(bytes.Buffer) // a good image, for whoever has the memory
	z, err = zstd.NewWriter(window, zstd.WithWindowSize(32<<20))
	if err == nil {
		_, err = z.Write(noise(9, 100_000))
	}
	if err := errors.Join(err, z.Flush(), z.Close()); err != nil {
		t.Fatal(err)
	}
	for name, image := range map[string][]byte{
		"lz4":                          packed(t, zeros),
		"zstd":                         streamed.Bytes(),
		"zstd that says how large":     stated(zeros, 0),
		"zstd that says it is small":   stated(zeros, 1<<20),
		"zstd with a window of 32 MiB": window.Bytes(),
		"many frames of lz4":           bytes.Repeat(packed(t, zeros[:4<<20]), 16),
		"many frames that are empty":   bytes.Repeat(packed(t, nil), 100),
		"many frames to skip":          bytes.Repeat([]byte{0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0}, 10_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			before := w.words()
			w.repo.AddTarget("targets", "hash.lz4", image)
			w.repo.Publish("targets", "snapshot", "timestamp")
			if err := w.install(nil); err == nil {
				t.Error("it was installed")
			}
			if next, ok := w.sets().Next(); !ok || next != slot.A {
				t.Errorf("next boots %v, %v: %s, before %s", next, ok, w.words(), before)
			}
			if last := w.journal().Last(); last == nil || last.State != api.AttemptFailed {
				t.Errorf("the journal says %+v", last)
			}
			w.nothingBehind()
			w.repo.AddTarget("targets", "hash.lz4", packed(t, w.images["hash"]))
			w.repo.Publish("targets", "snapshot", "timestamp")
			if err := w.install(nil); err != nil {
				t.Errorf("the next attempt: %v", err)
			}
			w.check()
		})
	}
}

// nothingBehind looks right behind the spare slot's hash partition.
func (w *world) nothingBehind() {
	w.t.Helper()
	e := w.sets().Extents[w.active.Other()][slot.HashPartition]
	f, err := os.Open(e.Path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	data := make([]byte, 1<<20)
	if _, err := f.ReadAt(data, e.Offset+e.Size); err != nil {
		w.t.Fatal(err)
	}
	if len(bytes.Trim(data, "\x00")) > 0 {
		w.t.Error("something was written behind the partition")
	}
}

// The server turns bad at any request of an update: what was written by then
// does not boot, and the next attempt succeeds.
func TestServerTurnsBadAtEveryRequest(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"refuses": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) },
		"forbids": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"greets": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, "<html>Log in to the hotel's network</html>")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var left atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
				if left.Add(-1) < 0 {
					answer(rw, req)
					return
				}
				w.repo.ServeHTTP(rw, req)
			}))
			t.Cleanup(server.Close)
			w.host.Config.MetadataBaseURL, w.host.Config.TargetsBaseURL = server.URL+"/metadata", server.URL+"/targets"
			failures := 0
			for good := int32(0); ; good++ {
				left.Store(good)
				if w.install(nil) == nil && left.Load() >= 0 {
					break
				}
				failures++
				if next, ok := w.sets().Next(); !ok || next != slot.A {
					t.Fatalf("bad from request %d on: next boots %v, %v: %s", good, next, ok, w.words())
				}
			}
			if failures < 6 {
				t.Errorf("it failed %d times only", failures)
			}
			w.check()
		})
	}
}

// A configuration that leads to a file, a pipe or a device is an error, and soon.
func TestRepositoryInOddPlaces(t *testing.T) {
	for _, address := range []string{"file:///dev/zero", "file:///proc/self", "file:///etc/passwd", "file:///", "file:///nosuch"} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			before := w.words()
			w.host.Config.MetadataBaseURL = address
			if err := w.install(nil); err == nil {
				t.Error("it was believed")
			}
			w.untouched(before)
		})
	}
}
