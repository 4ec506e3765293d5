package refstore_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/durable/durabletest"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/refstore"
	"github.com/hostler-os/hostler/internal/refstore/refstoretest"
)

// fast is the host's file system without waiting for its disk.
type fast struct{ durable.OS }

type fastFile struct{ durable.File }

func (fast) SyncDir(string) error { return nil }
func (fastFile) Sync() error      { return nil }

func (f fast) Create(path string) (durable.File, error) {
	file, err := f.OS.Create(path)
	return fastFile{file}, err
}

// tree is everything below a folder: content, link's target, mode.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			found[name], err = os.Readlink(path)
		case d.Type().IsRegular():
			text, readErr := os.ReadFile(path)
			found[name], err = fmt.Sprintf("%s %s", info.Mode(), text), readErr
		case name != ".": // that of a test's folder may have another mode
			found[name] = info.Mode().String()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func read(t testing.TB, dir string) *refstore.Store {
	t.Helper()
	s, err := refstore.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func write(t testing.TB, dir string, s *refstore.Store) {
	t.Helper()
	if err := refstore.Write(fast{}, dir, s); err != nil {
		t.Fatal(err)
	}
}

func TestRecordedRoundTrip(t *testing.T) {
	from := refstoretest.Unpack(t, "../..")
	s := read(t, filepath.Join(from, "current"))
	if s.Version != "1.20.0" || s.Folder != "v1.20.0_M6KeYjz23tJw8fqp" || len(s.Ignored) != 0 {
		t.Errorf("version %q, folder %q, ignored %q", s.Version, s.Folder, s.Ignored)
	}
	to := filepath.Join(t.TempDir(), "new", "datastore")
	write(t, to, s)
	if diff := cmp.Diff(tree(t, to), tree(t, from)); diff != "" {
		t.Errorf("written again (-got +want):\n%s", diff)
	}
}

// The answers that the reference's API gave for the same folder.
func TestRecordedAnswers(t *testing.T) {
	text, err := os.ReadFile("../../test/vectors/datastore.json")
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Settings map[string]any      `json:"settings"`
		Affected map[string][]string `json:"affected-services"`
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	live := read(t, refstoretest.Unpack(t, "../..")).Live
	settings := map[string]any{}
	for _, p := range live.Data {
		if p.Key.Within("settings") {
			plant(t, settings, p.Key.Segments()[1:], p.Value)
		}
	}
	if diff := cmp.Diff(settings, withoutNulls(want.Settings)); diff != "" {
		t.Errorf("settings (-got +want):\n%s", diff)
	}
	for k, services := range want.Affected {
		var got []string
		if err := json.Unmarshal(nearest(live, key.MustParse(k), "affected-services"), &got); err != nil {
			t.Error(err)
		}
		slices.Sort(got)
		if diff := cmp.Diff(got, services); diff != "" {
			t.Errorf("affected services of %s (-got +want):\n%s", k, diff)
		}
	}
}

func plant(t *testing.T, tree map[string]any, path []string, text json.RawMessage) {
	t.Helper()
	for _, name := range path[:len(path)-1] {
		if tree[name] == nil {
			tree[name] = map[string]any{}
		}
		tree = tree[name].(map[string]any)
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	tree[path[len(path)-1]] = value
}

// withoutNulls removes members that the API shows where nothing is stored.
func withoutNulls(tree map[string]any) map[string]any {
	for name, v := range tree {
		if sub, ok := v.(map[string]any); ok {
			withoutNulls(sub)
		}
		if v == nil {
			delete(tree, name)
		}
	}
	return tree
}

func nearest(p refstore.Part, k key.Key, name string) json.RawMessage {
	for {
		for _, m := range p.Metadata {
			if m.Key == k && m.Name == name {
				return m.Value
			}
		}
		parent, ok := k.Parent()
		if !ok {
			return nil
		}
		k = parent
	}
}

// small is a datastore with one of everything.
func small() *refstore.Store {
	return &refstore.Store{
		Version: "1.26.1",
		Live: refstore.Part{
			Data:     []key.Pair{{Key: `settings."a.b"`, Value: []byte("1")}, {Key: "settings.net/x", Value: []byte(`{"y": [1]}`)}},
			Metadata: []refstore.Metadata{{Key: "settings", Name: "affected-services", Value: []byte("[]")}, {Key: "settings.none", Name: "strength", Value: []byte(`"weak"`)}},
		},
		Pending: map[string]refstore.Part{"a/../b": {Data: []key.Pair{{Key: "settings.motd", Value: []byte(`"p"`)}}}, "none": {}},
	}
}

func TestSmall(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, small())
	s := read(t, dir)
	want := small()
	want.Folder = s.Folder
	if diff := cmp.Diff(s, want); diff != "" {
		t.Errorf("read back (-got +want):\n%s", diff)
	}
	first := tree(t, dir)
	for _, path := range []string{
		"current", "v1", "v1.26", "v1.26.1",
		s.Folder + "/live/settings/a%2Eb", s.Folder + "/live/settings/net%2Fx", s.Folder + "/live/settings.affected-services",
		s.Folder + "/live/settings/none.strength", s.Folder + "/pending/a%2F%2E%2E%2Fb/settings/motd", s.Folder + "/pending/none",
	} {
		if _, ok := first[path]; !ok {
			t.Errorf("%s is missing in %q", path, first)
		}
	}
	write(t, dir, small())
	if diff := cmp.Diff(tree(t, dir), first); diff != "" {
		t.Errorf("written twice (-got +want):\n%s", diff)
	}
	other := small()
	other.Version = "1.27.0"
	write(t, dir, other)
	if got := read(t, dir).Version; got != "1.27.0" {
		t.Errorf("version after the second write: %s", got)
	}
	if _, err := os.Stat(filepath.Join(dir, s.Folder, "live")); err != nil {
		t.Errorf("the first data is gone: %v", err)
	}
}

// What the reference passes over is passed over, and told.
func TestIgnored(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, small())
	folder := read(t, dir).Folder
	var want []string
	for _, name := range []string{"live/.hidden", "live/settings/with space", "live/settings/x.bad name", "live/settings/%2e", "live/settings/%", "live/settings/a.b/c", "pending/file"} {
		path := filepath.Join(dir, folder, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("1"), 0o644)); err != nil {
			t.Fatal(err)
		}
		want = append(want, name)
	}
	slices.Sort(want)
	if diff := cmp.Diff(read(t, dir).Ignored, want); diff != "" {
		t.Errorf("ignored (-got +want):\n%s", diff)
	}
}

func TestReadRefuses(t *testing.T) {
	const data = "v1.26.1_AAAAAAAAAAAAAAAA"
	folder := func(dir string) string { return filepath.Join(dir, data) }
	for name, tc := range map[string]struct {
		spoil func(dir string) error
		why   string
	}{
		"no datastore":        {func(dir string) error { return os.Remove(dir + "/current") }, "there is no datastore"},
		"link outside":        {func(dir string) error { return relink("../../etc", dir+"/v1.26.1") }, `v1.26.1 leads to "../../etc"`},
		"absolute link":       {func(dir string) error { return relink("/etc", dir+"/v1.26") }, `v1.26 leads to "/etc"`},
		"link to itself":      {func(dir string) error { return relink("current", dir+"/current") }, "leads to"},
		"another version":     {func(dir string) error { return relink("v1.27", dir+"/v1") }, "no such file"},
		"link is a folder":    {func(dir string) error { return errors.Join(os.Remove(dir+"/v1"), os.Mkdir(dir+"/v1", 0o755)) }, "follow links"},
		"folder is a link":    {func(dir string) error { return swap(folder(dir), folder(dir)+".moved") }, "is a link"},
		"live is a link":      {func(dir string) error { return swap(folder(dir)+"/live", folder(dir)+"/moved") }, "is a link"},
		"live is missing":     {func(dir string) error { return os.Rename(folder(dir)+"/live", folder(dir)+"/moved") }, "its folder live is missing"},
		"pending is a link":   {func(dir string) error { return swap(folder(dir)+"/pending", folder(dir)+"/moved") }, "is a link"},
		"folder is elsewhere": {func(dir string) error { return errors.Join(os.RemoveAll(folder(dir)), os.Symlink("/etc", folder(dir))) }, "escapes"},
		"key is a link":       {func(dir string) error { return os.Symlink("/etc/passwd", folder(dir)+"/live/settings/motd") }, "neither a file nor a folder"},
		"folder below":        {func(dir string) error { return os.Symlink("..", folder(dir)+"/live/settings/loop") }, "neither a file nor a folder"},
		"fifo":                {func(dir string) error { return mkfifo(folder(dir) + "/live/settings/fifo") }, "neither a file nor a folder"},
		"no JSON":             {func(dir string) error { return os.WriteFile(folder(dir)+"/live/settings/motd", []byte("hi"), 0o644) }, "live/settings/motd: the value is not JSON"},
		"metadata, no JSON":   {func(dir string) error { return os.WriteFile(folder(dir)+"/live/settings/motd.x", nil, 0o644) }, "live/settings/motd.x: the value is not JSON"},
		"too large": {func(dir string) error {
			return os.WriteFile(folder(dir)+"/live/settings/motd", bytes.Repeat([]byte(" "), 4<<20+1), 0o644)
		}, "more than 4194304 bytes"},
		"nested too deep": {func(dir string) error {
			return os.MkdirAll(folder(dir)+"/live/settings"+strings.Repeat("/a", 130), 0o755)
		}, "nested more than 128 deep"},
		"transaction's link": {func(dir string) error { return os.Symlink("none", folder(dir)+"/pending/x") }, ""},
	} {
		dir := t.TempDir()
		s := small()
		s.Folder = data
		write(t, dir, s)
		if err := tc.spoil(dir); err != nil {
			t.Fatal(err)
		}
		_, err := refstore.Read(dir)
		if tc.why == "" && err == nil {
			continue // ignored
		}
		if err == nil || !strings.Contains(err.Error(), tc.why) {
			t.Errorf("%s: got error %v, want one with %q", name, err, tc.why)
		}
	}
	if _, err := refstore.Read(filepath.Join(t.TempDir(), "none")); !errors.Is(err, refstore.ErrNone) {
		t.Errorf("a folder that is not there: %v", err)
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := mkfifo(pipe); err != nil {
		t.Fatal(err)
	}
	if _, err := refstore.Read(pipe); err == nil {
		t.Error("a pipe is taken for a datastore")
	}
}

// relink makes a link lead elsewhere.
func relink(target, path string) error {
	return errors.Join(os.Remove(path), os.Symlink(target, path))
}

// swap moves a folder and leaves a link to it in its place.
func swap(path, moved string) error {
	return errors.Join(os.Rename(path, moved), os.Symlink(filepath.Base(moved), path))
}

func mkfifo(path string) error { return unix.Mkfifo(path, 0o600) }

func TestWriteRefuses(t *testing.T) {
	pair := func(k key.Key, text string) refstore.Part {
		return refstore.Part{Data: []key.Pair{{Key: k, Value: []byte(text)}}}
	}
	for name, tc := range map[string]struct {
		spoil func(*refstore.Store)
		why   string
	}{
		"no version":      {func(s *refstore.Store) { s.Version = "v1.2" }, `"v1.2" is no version`},
		"path as version": {func(s *refstore.Store) { s.Version = "1.2.3-../../x" }, "is no version"},
		"path as folder":  {func(s *refstore.Store) { s.Folder = "../x" }, "is no name of a folder"},
		"no JSON":         {func(s *refstore.Store) { s.Live = pair("settings.a", "x") }, "live/settings/a: the value is not JSON"},
		"value and parent": {func(s *refstore.Store) {
			s.Live = pair("settings", "1")
			s.Live.Data = append(s.Live.Data, small().Live.Data...)
		}, "live/settings has a value, and so has"},
		"twice":             {func(s *refstore.Store) { s.Live.Data = append(s.Live.Data, s.Live.Data[0]) }, "is there twice"},
		"metadata's name":   {func(s *refstore.Store) { s.Live.Metadata[0].Name = "a/b" }, `metadata "a/b"`},
		"nameless":          {func(s *refstore.Store) { s.Pending[""] = refstore.Part{} }, "a transaction without a name"},
		"long when encoded": {func(s *refstore.Store) { s.Live = pair(key.Key("settings."+strings.Repeat("/", 100)), "1") }, "more than 255 bytes when it is encoded"},
		"long transaction":  {func(s *refstore.Store) { s.Pending[strings.Repeat("n", 256)] = refstore.Part{} }, "more than 255 bytes"},
	} {
		s, dir := small(), t.TempDir()
		tc.spoil(s)
		if err := refstore.Write(fast{}, dir, s); err == nil || !strings.Contains(err.Error(), tc.why) {
			t.Errorf("%s: got error %v, want one with %q", name, err, tc.why)
		}
		if left := tree(t, dir); len(left) != 0 {
			t.Errorf("%s: it left %q", name, left)
		}
	}
	s, dir := small(), t.TempDir()
	s.Folder = "v1.26.1_AAAAAAAAAAAAAAAA"
	write(t, dir, s)
	if err := refstore.Write(fast{}, dir, s); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a folder that is there: %v", err)
	}
}

// links lets a file system whose links tests do not know make them all the same.
type links struct {
	durable.FS
	note func(string)
}

func (l links) Symlink(target, path string) error {
	l.note("symlink")
	return os.Symlink(target, path)
}

// Whatever fails, the datastore that was there is still in effect or the new one is, whole.
func TestFaults(t *testing.T) {
	older := small()
	older.Live.Data[0].Value = []byte(`"older"`)
	for at := int64(1); ; at++ {
		dir := t.TempDir()
		write(t, dir, older)
		before := read(t, dir)
		faults := &durabletest.Faults{FS: fast{}, At: at, Err: unix.EIO}
		fsys := links{faults, func(string) {}}
		err := refstore.Write(fsys, dir, small())
		if err == nil && !faults.Reached() {
			break
		}
		after := read(t, dir)
		if diff := cmp.Diff(after, before); err == nil || diff != "" && after.Folder == before.Folder {
			t.Fatalf("operation %d failed: %v; (-got +want)\n%s", at, err, diff)
		}
		write(t, dir, small()) // what is left is no obstacle
		if got := read(t, dir); string(got.Live.Data[0].Value) != "1" {
			t.Fatalf("operation %d: afterwards %s", at, got.Live.Data[0].Value)
		}
	}
}

// All of the new data is on disk before the first link changes: every file and
// folder that was made is synced after its last change.
func TestSyncedBeforeLinks(t *testing.T) {
	dir := t.TempDir()
	recorder, err := durabletest.NewRecorder(fast{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	fsys := links{recorder, recorder.Mark}
	if err := refstore.Write(fsys, dir, small()); err != nil {
		t.Fatal(err)
	}
	log := recorder.Log()
	first := slices.IndexFunc(log.Ops, func(o durabletest.Op) bool { return o.Kind == durabletest.Mark })
	log.Ops = log.Ops[:first+1]
	whole := tree(t, filepath.Join(dir, read(t, dir).Folder))
	err = log.CrashesAfter(first, func(c durabletest.Crash) error {
		if len(c.Marks) == 0 {
			return nil
		}
		at := t.TempDir()
		if err := c.Tree.Write(at); err != nil {
			return err
		}
		if diff := cmp.Diff(tree(t, filepath.Join(at, read(t, dir).Folder)), whole); diff != "" {
			return fmt.Errorf("%s (-got +want):\n%s", c, diff)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

var segment = rapid.StringMatching(`[a-zA-Z0-9_\-/.]{1,12}`)

// Whatever is written is read again.
func TestRoundTrip(t *testing.T) {
	part := func(t *rapid.T, label string) refstore.Part {
		var p refstore.Part
		for i := range rapid.IntRange(0, 5).Draw(t, label) {
			k, err := key.FromSegments("settings", segment.Draw(t, "group"), fmt.Sprint(i, segment.Draw(t, "name")))
			if err != nil {
				t.Fatal(err)
			}
			value, err := json.Marshal(rapid.String().Draw(t, "value"))
			if err != nil {
				t.Fatal(err)
			}
			p.Data = append(p.Data, key.Pair{Key: k, Value: value})
			p.Metadata = append(p.Metadata, refstore.Metadata{Key: k, Name: rapid.StringMatching(`[a-z0-9_-]{1,8}`).Draw(t, "metadata"), Value: value})
		}
		slices.SortFunc(p.Data, func(a, b key.Pair) int { return strings.Compare(string(a.Key), string(b.Key)) })
		slices.SortFunc(p.Metadata, func(a, b refstore.Metadata) int { return strings.Compare(string(a.Key), string(b.Key)) })
		return p
	}
	top := t.TempDir()
	count := 0
	rapid.Check(t, func(t *rapid.T) {
		count++
		dir := filepath.Join(top, fmt.Sprint(count))
		want := &refstore.Store{Version: "1.2.3", Live: part(t, "live"), Pending: map[string]refstore.Part{}}
		for _, name := range rapid.SliceOfNDistinct(rapid.StringN(1, 20, 60), 0, 2, rapid.ID).Draw(t, "transactions") {
			want.Pending[name] = part(t, "pending")
		}
		if err := refstore.Write(fast{}, dir, want); err != nil {
			t.Fatal(err)
		}
		got, err := refstore.Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		want.Folder = got.Folder
		if diff := cmp.Diff(got, want); diff != "" {
			t.Fatalf("read back (-got +want):\n%s", diff)
		}
	})
}

// Whatever files are in the folder, reading ends without a panic, and what was
// read can be written and is read again.
func FuzzRead(f *testing.F) {
	f.Add("live/settings/motd", "settings/ntp.affected-services", []byte(`"x"`))
	f.Add("pending/t/settings/a%2Eb", "live/%", []byte("1"))
	f.Add("pending/x", "live/a/b", []byte("{"))
	f.Fuzz(func(t *testing.T, one, two string, text []byte) {
		dir := t.TempDir()
		write(t, dir, small())
		root, err := os.OpenRoot(filepath.Join(dir, read(t, dir).Folder))
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		for _, name := range []string{one, two} {
			if root.MkdirAll(filepath.Dir(name), 0o755) == nil {
				_ = root.WriteFile(name, text, 0o644) // some names are not possible
			}
		}
		s, err := refstore.Read(dir)
		if err != nil {
			return
		}
		s.Folder, s.Ignored = "", nil
		to := t.TempDir()
		if err := refstore.Write(fast{}, to, s); err != nil {
			if _, ok := s.Pending[""]; ok {
				return
			}
			t.Fatalf("%q, %q: write what was read: %v", one, two, err)
		}
		again := read(t, to)
		again.Folder = ""
		if diff := cmp.Diff(again, s); diff != "" {
			t.Fatalf("%q, %q (-got +want):\n%s", one, two, diff)
		}
	})
}
