package tufrepo_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/durable/durabletest"
	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/tufrepo/tufrepotest"
)

// offline opens what was kept, as a booting host does.
func offline(t *testing.T, root []byte, s tufrepo.Source, names ...string) map[string]string {
	t.Helper()
	r, err := tufrepo.Open(t.Context(), s, tufrepo.Options{
		TrustedRoot: root, Expiry: tufrepo.IgnoreExpiry, Delegations: tufrepo.AllowDelegations,
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, name := range names {
		body, err := r.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(body)
		if err := errors.Join(err, body.Close()); err != nil {
			t.Fatal(err)
		}
		got[name] = string(data)
	}
	return got
}

// release is a repository with a root chain, a delegation and three targets.
func release(t *testing.T) *tufrepotest.Repo {
	t.Helper()
	repo := tufrepotest.New(t)
	repo.Hashes = true
	repo.Publish("root", "root")
	repo.Delegate(tufrepotest.Delegation{From: "targets", To: "A/B", Paths: []string{"by-a"}})
	repo.AddTarget("targets", "manifest.json", []byte("{}"))
	repo.AddTarget("targets", "folder/file", []byte("in a folder"))
	repo.AddTarget("A/B", "by-a", []byte("content of a"))
	repo.Publish("A/B", "targets", "snapshot", "timestamp")
	return repo
}

var (
	releaseNames    = []string{"manifest.json", "folder/file", "by-a"}
	releaseContents = map[string]string{"manifest.json": "{}", "folder/file": "in a folder", "by-a": "content of a"}
)

func TestCache(t *testing.T) {
	repo := release(t)
	r := mustOpen(t, repo, tufrepo.Options{Delegations: tufrepo.AllowDelegations})
	dir := t.TempDir()
	metadata, targets := filepath.Join(dir, "metadata"), filepath.Join(dir, "targets")
	if err := r.Cache(t.Context(), metadata, targets, releaseNames...); err != nil {
		t.Fatal(err)
	}
	want := []string{"1.A%2FB.json", "2.root.json", "2.snapshot.json", "2.targets.json", "3.root.json", "timestamp.json"}
	if diff := cmp.Diff(want, partFiles(t, metadata)); diff != "" {
		t.Errorf("kept metadata (-want +got):\n%s", diff)
	}
	for _, name := range want {
		kept, err := os.ReadFile(filepath.Join(metadata, name))
		if err != nil || !bytes.Equal(kept, repo.Get("metadata/"+name)) {
			t.Errorf("%s is not kept as it was served (%v)", name, err)
		}
	}
	if diff := cmp.Diff(releaseContents, offline(t, repo.Root(), tufrepo.Dir(metadata, targets), releaseNames...)); diff != "" {
		t.Error(diff)
	}

	// The next release, from a newer root: what nothing refers to goes.
	repo.Publish("A/B", "targets", "snapshot", "timestamp")
	r = mustOpen(t, repo, tufrepo.Options{TrustedRoot: repo.Get("metadata/3.root.json")})
	if err := r.Cache(t.Context(), metadata, targets, "manifest.json"); err != nil {
		t.Fatal(err)
	}
	want = []string{"3.snapshot.json", "3.targets.json", "timestamp.json"}
	if diff := cmp.Diff(want, partFiles(t, metadata)); diff != "" {
		t.Errorf("kept metadata (-want +got):\n%s", diff)
	}
}

// The repository moves on between opening and keeping: what was proved is kept.
func TestCacheKeepsWhatWasProved(t *testing.T) {
	repo := release(t)
	r := mustOpen(t, repo, tufrepo.Options{Delegations: tufrepo.AllowDelegations})
	repo.Publish("targets", "snapshot", "timestamp")
	dir := t.TempDir()
	if err := r.Cache(t.Context(), dir, dir+"/targets", releaseNames...); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(releaseContents, offline(t, repo.Root(), tufrepo.Dir(dir, dir+"/targets"), releaseNames...)); diff != "" {
		t.Error(diff)
	}
}

// At boot nothing that lies on the writable disk is believed.
func TestTamperedCache(t *testing.T) {
	repo := release(t)
	r := mustOpen(t, repo, tufrepo.Options{})
	for file, kind := range map[string]error{
		"metadata/2.root.json": tufrepo.ErrThreshold, "metadata/timestamp.json": tufrepo.ErrThreshold,
		"metadata/2.snapshot.json": tufrepo.ErrHash, "metadata/2.targets.json": tufrepo.ErrHash,
	} {
		dir := t.TempDir()
		if err := r.Cache(t.Context(), dir+"/metadata", dir+"/targets", "manifest.json"); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, file), strings.Replace(string(data), `"expires": "2`, `"expires": "3`, 1))
		_, err = tufrepo.Open(t.Context(), tufrepo.Dir(dir+"/metadata", dir+"/targets"), tufrepo.Options{TrustedRoot: repo.Root()})
		if !errors.Is(err, kind) {
			t.Errorf("%s altered: %v, want %v", file, err, kind)
		}
	}
	dir := t.TempDir()
	if err := r.Cache(t.Context(), dir, dir, "manifest.json"); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, filepath.Base(tufrepotest.TargetFile("manifest.json", []byte("{}")))), "[]")
	r, err := tufrepo.Open(t.Context(), tufrepo.Dir(dir, dir), tufrepo.Options{TrustedRoot: repo.Root()})
	if err != nil {
		t.Fatal(err)
	}
	body, err := r.Open(t.Context(), "manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if _, err := io.ReadAll(body); !errors.Is(err, tufrepo.ErrHash) {
		t.Errorf("target altered: %v, want a wrong hash", err)
	}
}

// The power may go at any instant: the cache opens afterwards, and shows the old
// release or the new one; so does the state, and neither keeps the next run from working.
func TestCrashes(t *testing.T) {
	repo := release(t)
	dir := t.TempDir()
	keep := func(fsys durable.FS, dir string) {
		t.Helper()
		r := mustOpen(t, repo, tufrepo.Options{Dir: dir + "/state", FS: fsys, Delegations: tufrepo.AllowDelegations})
		if err := r.Cache(t.Context(), dir+"/metadata", dir+"/targets", "manifest.json"); err != nil {
			t.Fatal(err)
		}
	}
	keep(durable.OS{}, dir)
	repo.AddTarget("targets", "manifest.json", []byte("{\"new\": true}"))
	repo.Publish("root", "targets", "snapshot", "timestamp")
	recorder, err := durabletest.NewRecorder(durable.OS{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	keep(recorder, dir)
	recorder.Mark("kept")
	seen := map[string]bool{}
	err = recorder.Log().Crashes(func(c durabletest.Crash) error {
		after := t.TempDir()
		if err := c.Tree.Write(after); err != nil {
			return err
		}
		got := offline(t, repo.Root(), tufrepo.Dir(after+"/metadata", after+"/targets"), "manifest.json")["manifest.json"]
		seen[got] = true
		if slices.Contains(c.Marks, "kept") && got == "{}" {
			t.Errorf("%v: the old release is back", c)
		}
		mustOpen(t, repo, tufrepo.Options{Dir: after + "/state"})
		return os.RemoveAll(after)
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != 2 {
		t.Errorf("saw %v, want the old and the new release", seen)
	}
}

// A download that the power cut off at any instant is finished by the next call,
// and its file is never seen in part.
func TestDownloadCrashes(t *testing.T) {
	data := image()[:3000]
	r := withTarget(t, data, breaking(data, len(data), true), quick())
	root, err := os.MkdirTemp("", "crash")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	write(t, filepath.Join(root, "image"), "old")
	digest := strings.TrimSuffix(strings.TrimPrefix(tufrepotest.TargetFile("image", data), "targets/"), ".image")
	write(t, filepath.Join(root, ".image.partial"), string(data[:1000]))
	write(t, filepath.Join(root, ".image.partial.json"), `{"length":3000,"hashes":{"sha256":"`+digest+`"},"validator":"\"one\""}`)
	recorder, err := durabletest.NewRecorder(durable.OS{}, root)
	if err != nil {
		t.Fatal(err)
	}
	if err := tufrepo.WithFS(r, recorder).Download(t.Context(), "image", filepath.Join(root, "image"), tufrepo.DownloadOptions{}); err != nil {
		t.Fatal(err)
	}
	recorder.Mark("downloaded")
	r = tufrepo.WithFS(r, durable.OS{})
	err = recorder.Log().Crashes(func(c durabletest.Crash) error {
		after := t.TempDir()
		if err := c.Tree.Write(after); err != nil {
			return err
		}
		path := filepath.Join(after, "image")
		got, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if isNew := bytes.Equal(got, data); !isNew && (string(got) != "old" || slices.Contains(c.Marks, "downloaded")) {
			t.Errorf("%v: the file holds %d bytes of neither release, or the old one is back", c, len(got))
		}
		if err := r.Download(t.Context(), "image", path, tufrepo.DownloadOptions{}); err != nil {
			t.Errorf("%v: %v", c, err)
		}
		if got, err = os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%v: after another call the file holds %d bytes (%v)", c, len(got), err)
		}
		return os.RemoveAll(after)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The proof above would notice a missing sync: of the file before it gets its
// name, and of the folder after.
func TestDownloadCrashesNoticeMissingSyncs(t *testing.T) {
	data := image()[:3000]
	r := withTarget(t, data, breaking(data, len(data), true), quick())
	root := t.TempDir()
	recorder, err := durabletest.NewRecorder(durable.OS{}, root)
	if err != nil {
		t.Fatal(err)
	}
	if err := tufrepo.WithFS(r, recorder).Download(t.Context(), "image", filepath.Join(root, "image"), tufrepo.DownloadOptions{}); err != nil {
		t.Fatal(err)
	}
	recorder.Mark("downloaded")
	whole := recorder.Log()
	renamed := slices.IndexFunc(whole.Ops, func(o durabletest.Op) bool { return o.Kind == durabletest.Rename && o.To == "image" })
	if renamed < 0 {
		t.Fatal("the file never gets its name")
	}
	unsafe := func(log durabletest.Log) error {
		return log.Crashes(func(c durabletest.Crash) error {
			got, ok := c.Tree["image"]
			if ok && !bytes.Equal(got.Data, data) || !ok && slices.Contains(c.Marks, "downloaded") {
				return errors.New(c.String())
			}
			return nil
		})
	}
	if err := unsafe(whole); err != nil {
		t.Error(err)
	}
	noContent := whole
	for i := renamed - 1; i >= 0; i-- {
		if o := whole.Ops[i]; o.Kind == durabletest.Sync && o.Path == ".image.partial" {
			noContent = noContent.Without(i)
		}
	}
	if unsafe(noContent) == nil {
		t.Error("without syncs of the content nothing is noticed")
	}
	noNames := whole
	for i := len(whole.Ops) - 1; i > renamed; i-- {
		if whole.Ops[i].Kind == durabletest.SyncDir {
			noNames = noNames.Without(i)
		}
	}
	if unsafe(noNames) == nil {
		t.Error("without syncs of the folder nothing is noticed")
	}
}

// A disk that fails at any operation leaves the old file or the new one.
func TestDownloadOntoAFailingDisk(t *testing.T) {
	data := image()[:3000]
	r := withTarget(t, data, breaking(data, len(data), true), quick())
	for at := int64(1); ; at++ {
		dir := t.TempDir()
		path := filepath.Join(dir, "image")
		write(t, path, "old")
		faults := &durabletest.Faults{FS: durable.OS{}, At: at, Err: errors.New("the disk is broken")}
		err := tufrepo.WithFS(r, faults).Download(t.Context(), "image", path, tufrepo.DownloadOptions{})
		if !faults.Reached() {
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		got, readErr := os.ReadFile(path)
		if readErr != nil || string(got) != "old" && !bytes.Equal(got, data) {
			t.Errorf("fault %d (%v): %d bytes, %v", at, err, len(got), readErr)
		}
		if err := tufrepo.WithFS(r, durable.OS{}).Download(t.Context(), "image", path, tufrepo.DownloadOptions{}); err != nil {
			t.Errorf("after fault %d: %v", at, err)
		}
	}
}

func bundle(t *testing.T, repo *tufrepotest.Repo, names ...string) string {
	t.Helper()
	r := mustOpen(t, repo, tufrepo.Options{Delegations: tufrepo.AllowDelegations})
	var one, two bytes.Buffer
	if err := errors.Join(r.WriteBundle(t.Context(), &one, names...), r.WriteBundle(t.Context(), &two, names...)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Error("a bundle of the same repository has other bytes")
	}
	path := filepath.Join(t.TempDir(), "release.tar")
	write(t, path, one.String())
	return path
}

func TestBundle(t *testing.T) {
	repo := release(t)
	b, err := tufrepo.OpenBundle(bundle(t, repo, releaseNames...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	if diff := cmp.Diff(releaseContents, offline(t, repo.Root(), b, releaseNames...)); diff != "" {
		t.Error(diff)
	}
	r, err := tufrepo.Open(t.Context(), b, tufrepo.Options{TrustedRoot: repo.Root(), Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := r.Cache(t.Context(), dir, dir, "manifest.json"); err != nil {
		t.Error(err)
	}
	only, err := tufrepo.OpenBundle(bundle(t, repo, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { only.Close() })
	if r, err = tufrepo.Open(t.Context(), only, tufrepo.Options{TrustedRoot: repo.Root()}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Open(t.Context(), "folder/file"); !errors.Is(err, tufrepo.ErrNotFound) {
		t.Errorf("%v, want not found", err)
	}
}

// A host's settings name a bundle as they name a folder.
func TestBundleAtAnAddress(t *testing.T) {
	repo := release(t)
	for _, form := range []string{"file://%s", "file://localhost%s/"} {
		path := bundle(t, repo, releaseNames...)
		address := fmt.Sprintf(form, path)
		source, err := tufrepo.Remote(address, address, quick())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(releaseContents, offline(t, repo.Root(), source, releaseNames...)); diff != "" {
			t.Error(diff)
		}
		r, err := tufrepo.Open(t.Context(), source, tufrepo.Options{TrustedRoot: repo.Root()})
		if err != nil {
			t.Fatal(err)
		}
		write(t, path+".none", "no archive")
		if err := os.Rename(path+".none", path); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Open(t.Context(), "folder/file"); !errors.Is(err, tufrepo.ErrMalformed) || !strings.Contains(err.Error(), path) {
			t.Errorf("%v, want malformed", err)
		}
	}
}

// Every byte of a bundle may be altered: it is proved like any other source.
func TestAlteredBundle(t *testing.T) {
	repo := tufrepotest.New(t)
	repo.Hashes = true
	repo.AddTarget("targets", "file", []byte("content"))
	repo.Publish("targets", "snapshot", "timestamp")
	whole, err := os.ReadFile(bundle(t, repo, "file"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "altered.tar")
	for i := 0; i < len(whole); i += 7 {
		altered := bytes.Clone(whole)
		altered[i] ^= 0x21
		write(t, path, string(altered))
		if got, err := readBundle(t, path, repo.Root()); err == nil && got != "content" {
			t.Fatalf("byte %d altered: read %q", i, got)
		}
		write(t, path, string(whole[:i]))
		if got, err := readBundle(t, path, repo.Root()); err == nil && got != "content" {
			t.Fatalf("cut at byte %d: read %q", i, got)
		}
	}
}

func readBundle(t *testing.T, path string, root []byte) (string, error) {
	b, err := tufrepo.OpenBundle(path)
	if err != nil {
		return "", err
	}
	defer b.Close()
	r, err := tufrepo.Open(t.Context(), b, tufrepo.Options{TrustedRoot: root})
	if err != nil {
		return "", err
	}
	body, err := r.Open(t.Context(), "file")
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(body)
	return string(data), errors.Join(err, body.Close())
}

func TestHostileBundles(t *testing.T) {
	plain := tar.Header{Typeflag: tar.TypeReg, Name: "metadata/timestamp.json", Size: 1, Mode: 0o644}
	for name, headers := range map[string][]tar.Header{
		"leads out":      {{Typeflag: tar.TypeReg, Name: "metadata/../../etc/passwd", Size: 1}},
		"absolute":       {{Typeflag: tar.TypeReg, Name: "/metadata/x.json", Size: 1}},
		"elsewhere":      {{Typeflag: tar.TypeReg, Name: "other/x", Size: 1}},
		"link":           {{Typeflag: tar.TypeSymlink, Name: "metadata/timestamp.json", Linkname: "/etc/passwd"}},
		"hard link":      {{Typeflag: tar.TypeLink, Name: "metadata/timestamp.json", Linkname: "/etc/passwd"}},
		"device":         {{Typeflag: tar.TypeBlock, Name: "targets/x"}},
		"twice":          {plain, plain},
		"twice, spelled": {plain, {Typeflag: tar.TypeReg, Name: "./metadata/timestamp.json", Size: 1}},
		"dots":           {{Typeflag: tar.TypeReg, Name: "metadata/./timestamp.json", Size: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			archive := tar.NewWriter(&b)
			for _, h := range headers {
				if err := archive.WriteHeader(&h); err != nil {
					t.Fatal(err)
				}
				if _, err := archive.Write(make([]byte, h.Size)); err != nil {
					t.Fatal(err)
				}
			}
			if err := archive.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "bundle.tar")
			write(t, path, b.String())
			if _, err := tufrepo.OpenBundle(path); !errors.Is(err, tufrepo.ErrMalformed) {
				t.Errorf("%v, want malformed", err)
			}
		})
	}
	if _, err := tufrepo.OpenBundle(t.TempDir()); err == nil {
		t.Error("a folder was opened as a bundle")
	}
}
