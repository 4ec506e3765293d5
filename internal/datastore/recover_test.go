package datastore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/datastore/boltfile"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/durable/durabletest"
	"github.com/hostler-os/hostler/internal/key"
)

// A damaged store is made of a file with three commits, n = 1, 2, 3, and a copy
// with the first two.
func damagedStore(t testing.TB) (path string, image []byte) {
	t.Helper()
	path = tempPath(t)
	s := open(t, path, Options{})
	update(t, s, everyTable(1))
	update(t, s, everyTable(2))
	closeStore(t, s) // which takes the copy
	s = open(t, path, Options{CopyAfter: -1})
	update(t, s, everyTable(3))
	closeStore(t, s)
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, image
}

func everyTable(n int) func(*Tx) error {
	return func(tx *Tx) error {
		id, err := tx.NextChange()
		pairs := []key.Pair{pair("settings.n", fmt.Sprint(n))}
		for i := range 60 {
			pairs = append(pairs, pair(fmt.Sprintf("settings.k%d", i), fmt.Sprintf(`"value %d"`, n)))
		}
		return errors.Join(err, set(pairs...)(tx), tx.SetPending("t", pairs[:3]),
			tx.PutChange(id, n == 3, []byte(strings.Repeat("plan ", 100))), tx.PutFile("/etc/motd", []byte("digest")))
	}
}

// numberOf is which commit a store shows; it fails if it is a mix.
func numberOf(s *Store) (string, error) {
	e, ok := s.Snapshot().Get("settings.n")
	n := string(e.Value)
	if !ok {
		n = "0"
	}
	for i := range 60 {
		k := key.Key(fmt.Sprintf("settings.k%d", i))
		if e, found := s.Snapshot().Get(k); found != ok || ok && string(e.Value) != `"value `+n+`"` {
			return "", fmt.Errorf("%s is %q in commit %s", k, e.Value, n)
		}
	}
	history, err := s.History("", 0, 10)
	if err == nil && fmt.Sprint(len(history)) != n {
		err = fmt.Errorf("%d commits in the history, not %s", len(history), n)
	}
	return n, err
}

func TestDamageIsFoundAndRepaired(t *testing.T) {
	_, image := damagedStore(t)
	first := func(flags uint16) int { return pageWith(t, image, flags) }
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[at] ^= 0x10; return b }
	}
	newest, older := metaPages(t, image)
	page := boltfile.PageSize
	tests := []struct {
		name   string
		damage func([]byte) []byte
		source Source
		want   string
		lost   int
	}{
		{"empty", func([]byte) []byte { return nil }, SourceCopy, "2", -1},
		{"text", func([]byte) []byte { return []byte("this is not a datastore") }, SourceCopy, "2", -1},
		{"zeros", func(b []byte) []byte { clear(b); return b }, SourceCopy, "2", -1},
		{"newest meta page", flip(newest*page + 70), SourceFile, "2", -1},
		{"older meta page", flip(older*page + 70), SourceFile, "3", -1},
		{"header of newest meta page", flip(newest * page), SourceFile, "2", -1},
		{"both meta pages", func(b []byte) []byte { b[70] ^= 1; b[page+70] ^= 1; return b }, SourceCopy, "2", -1},
		{"branch page", flip(first(1) + 20), SourceFile, "2", 1},
		{"header of a leaf page", flip(first(2)), SourceFile, "2", 1},
		{"cut to half", func(b []byte) []byte { return b[:len(b)/2/page*page] }, SourceCopy, "2", -1},
		{"last page missing", func(b []byte) []byte { return b[:len(b)-page] }, SourceFile, "2", -1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path, image := damagedStore(t)
			damaged := test.damage(bytes.Clone(trimmed(t, image)))
			r := reopen(t, path, damaged, test.want)
			if r == nil {
				t.Fatal("nothing was reported")
			}
			if r.Source != test.source || r.Lost != test.lost || r.Damage == "" {
				t.Errorf("got %+v, want source %s, lost %d", r, test.source, test.lost)
			}
			if aside, err := os.ReadFile(r.SetAside); err != nil || !bytes.Equal(aside, damaged) {
				t.Errorf("the damaged file was not kept: %v", err)
			}
		})
	}
}

// trimmed is a file without the room that bbolt keeps at its end.
func trimmed(t *testing.T, image []byte) []byte {
	t.Helper()
	pages, err := boltfile.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	return image[:pages.Metas[0].Size()]
}

// reopen opens a store whose file is data, wants it to show a commit and to be
// usable and sound afterwards, and returns what was reported.
func reopen(t *testing.T, path string, data []byte, want string) *Recovery {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := open(t, path, Options{CopyAfter: -1, Log: slog.New(slog.NewTextHandler(&log, nil))})
	r := s.Recovered()
	got, err := numberOf(s)
	if err != nil || got != want {
		t.Errorf("got commit %q, %v; want %s", got, err, want)
	}
	if loud := strings.Contains(log.String(), "level=ERROR"); loud != (r != nil) {
		t.Errorf("log: %s", &log)
	}
	if err := s.Update(context.Background(), Author{}, set(pair("settings.new", `1`))); err != nil {
		t.Error(err)
	}
	closeStore(t, s)
	s = open(t, path, Options{CopyAfter: -1})
	if r := s.Recovered(); r != nil {
		t.Errorf("after the repair: %+v", r)
	}
	closeStore(t, s)
	return r
}

// metaPages returns the numbers of the newest and the older meta page.
func metaPages(t *testing.T, image []byte) (newest, older int) {
	t.Helper()
	pages, err := boltfile.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil || pages.Damaged != nil {
		t.Fatal(err, pages.Damaged)
	}
	newest = int(pages.Metas[0].Txid % 2)
	return newest, 1 - newest
}

// pageWith finds a page of a kind that only the newest commit uses.
func pageWith(t *testing.T, image []byte, flags uint16) int {
	t.Helper()
	for at := 2 * boltfile.PageSize; at < len(image); at += boltfile.PageSize {
		changed := bytes.Clone(image)
		changed[at+8] ^= 0x80
		if image[at+8] == byte(flags) && breaksOnly(t, changed, 0) {
			return at
		}
	}
	t.Fatalf("no page with flags %d", flags)
	return 0
}

// breaksOnly tells whether the newest commit is damaged and the older one is not.
func breaksOnly(t *testing.T, image []byte, i int) bool {
	t.Helper()
	pages, err := boltfile.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	_, broken := load(pages, pages.Metas[i], Options{}.filled())
	_, sound := load(pages, pages.Metas[1-i], Options{}.filled())
	return broken != nil && sound == nil
}

// Every bit may flip. It is found, or it is in a place that nobody looks at.
// Pages that are not read at all, about half of them, need no trial.
func TestEveryFlippedBitIsFoundOrHarmless(t *testing.T) {
	_, image := damagedStore(t)
	image = trimmed(t, image)
	read := readPages(t, image)
	want, found := "3", 0
	const step = 5 // bytes: a prime, so that every field is met in some page
	for at := 0; at < len(image); at += step {
		if !read[at/boltfile.PageSize] {
			continue
		}
		image[at] ^= 1 << (at % 8)
		c, damage := verifyBytes(t, image)
		image[at] ^= 1 << (at % 8)
		if damage != nil {
			found++
			continue
		}
		if e, _ := c.state.snap.Get("settings.n"); string(e.Value) != want {
			t.Errorf("bit flipped in byte %d: the store shows commit %s", at, e.Value)
		}
	}
	t.Logf("%d pages of %d are read; %d flips were found", len(read), len(image)/boltfile.PageSize, found)
	if share := float64(found) * step / float64(len(read)*boltfile.PageSize); share < 0.35 {
		t.Errorf("only %.2f of the flips were found", share)
	}
}

// pageRecorder notes which pages are read.
type pageRecorder struct {
	*bytes.Reader
	read map[int]bool
}

func (r *pageRecorder) ReadAt(into []byte, offset int64) (int, error) {
	for at := offset; at < offset+int64(len(into)); at += boltfile.PageSize {
		r.read[int(at/boltfile.PageSize)] = true
	}
	return r.Reader.ReadAt(into, offset)
}

func readPages(t testing.TB, image []byte) map[int]bool {
	t.Helper()
	r := &pageRecorder{bytes.NewReader(image), map[int]bool{}}
	if _, damage := verifyReader(t, r, len(image)); damage != nil {
		t.Fatal(damage)
	}
	return r.read
}

func verifyBytes(t testing.TB, image []byte) (*commit, error) {
	t.Helper()
	return verifyReader(t, bytes.NewReader(image), len(image))
}

func verifyReader(t testing.TB, r io.ReaderAt, size int) (*commit, error) {
	t.Helper()
	pages, err := boltfile.Open(r, int64(size))
	if err != nil {
		return nil, err
	}
	c, damage, err := newestSound(pages, Options{}.filled())
	if err != nil {
		t.Fatal(err)
	}
	return c, damage
}

func TestEveryTruncationIsFound(t *testing.T) {
	_, image := damagedStore(t)
	image = trimmed(t, image)
	for size := 0; size < len(image); size += 512 {
		c, damage := verifyBytes(t, image[:size])
		if damage == nil {
			t.Errorf("nobody noticed that only %d bytes are left", size)
		}
		if c != nil && c.meta.Size() > int64(size) {
			t.Errorf("a commit of %d bytes was found in %d", c.meta.Size(), size)
		}
	}
}

// A page that the disk never wrote, though it said so, is found by the sums.
func TestStalePageIsFound(t *testing.T) {
	path := tempPath(t)
	s := open(t, path, Options{CopyAfter: -1})
	update(t, s, set(pair("settings.a", `1`)))
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		update(t, s, set(pair("settings.a", fmt.Sprint(i+2))))
	}
	closeStore(t, s)
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for at := 2 * boltfile.PageSize; at < len(before); at += boltfile.PageSize {
		stale := bytes.Clone(image)
		copy(stale[at:at+boltfile.PageSize], before[at:])
		if bytes.Equal(stale, image) {
			continue
		}
		if c, damage := verifyBytes(t, stale); damage != nil {
			found++
		} else if e, _ := c.state.snap.Get("settings.a"); string(e.Value) != "21" {
			t.Errorf("page at %d is stale: the store shows %s", at, e.Value)
		}
	}
	if found == 0 {
		t.Error("no page was in use")
	}
}

func TestMissingFileIsRestoredFromTheCopy(t *testing.T) {
	path, _ := damagedStore(t)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s := open(t, path, Options{})
	if n, err := numberOf(s); n != "2" || err != nil {
		t.Errorf("got commit %s, %v", n, err)
	}
	if r := s.Recovered(); r == nil || r.Source != SourceCopy || r.AsOf.IsZero() {
		t.Errorf("got %+v", r)
	}
}

// TestSomethingElseInTheFilesPlace: a FIFO must not be waited for, a folder not stand in the way.
func TestSomethingElseInTheFilesPlace(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"fifo":   func(path string) error { return unix.Mkfifo(path, 0o600) },
		"folder": func(path string) error { return os.MkdirAll(filepath.Join(path, "x"), 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			path, _ := damagedStore(t)
			if err := errors.Join(os.Remove(path), put(path)); err != nil {
				t.Fatal(err)
			}
			s := open(t, path, Options{})
			if n, err := numberOf(s); n != "2" || err != nil {
				t.Errorf("got commit %s, %v", n, err)
			}
			if r := s.Recovered(); r == nil || r.Source != SourceCopy || r.SetAside == "" {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestDamagedCopyIsOfNoUse(t *testing.T) {
	path, _ := damagedStore(t)
	for _, p := range []string{path, path + suffixCopy} {
		if err := os.WriteFile(p, []byte("garbage"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, path, Options{Log: slog.New(slog.DiscardHandler)})
	if n, err := numberOf(s); n != "0" || err != nil {
		t.Errorf("got commit %s, %v", n, err)
	}
	if r := s.Recovered(); r == nil || r.Source != SourceNone {
		t.Errorf("got %+v", r)
	}
}

func TestThreeDamagedFilesAreKept(t *testing.T) {
	path, _ := damagedStore(t)
	for i := range 5 {
		reopen(t, path, fmt.Append(nil, "garbage ", i), "2")
	}
	files, err := filepath.Glob(path + infixCorrupt + "*")
	if err != nil || len(files) != keepCorrupt {
		t.Fatalf("got %v, %v", files, err)
	}
	if data, err := os.ReadFile(files[0]); string(data) != "garbage 2" {
		t.Errorf("the oldest is %q, %v", data, err)
	}
}

func TestFileOfAnotherFormatIsLeftAlone(t *testing.T) {
	path := tempPath(t)
	closeStore(t, open(t, path, Options{}))
	db, err := bbolt.Open(path, 0o600, boltOptions())
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(btx *bbolt.Tx) error {
		if _, err := btx.CreateBucket([]byte("another table")); err != nil {
			return err
		}
		return btx.Bucket([]byte(tableAbout.String())).Put([]byte(aboutFormat), seal(tableAbout, []byte(aboutFormat), []byte("2")))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); !errors.Is(err, ErrFormat) {
		t.Errorf("got %v, want ErrFormat", err)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed: %v", err)
	}
}

func TestUnreadableFileIsLeftAlone(t *testing.T) {
	path := tempPath(t)
	if err := os.Symlink(filepath.Base(path), path); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("got %v, want ELOOP", err)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v", err)
	}
}

func TestCopyFollowsCommits(t *testing.T) {
	path := tempPath(t)
	s := open(t, path, Options{CopyAfter: time.Millisecond})
	update(t, s, set(pair("settings.a", `1`)))
	deadline := time.Now().Add(10 * time.Second)
	for s.copyTxid() != s.txid {
		if time.Now().After(deadline) {
			t.Fatal("no copy was taken")
		}
		time.Sleep(time.Millisecond)
	}
}

// recordRecovery opens a damaged store while its file operations are recorded.
func recordRecovery(t *testing.T) durabletest.Log {
	t.Helper()
	path, _ := damagedStore(t)
	if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := durabletest.NewRecorder(durable.OS{}, filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	closeStore(t, open(t, path, Options{FS: r, CopyAfter: -1, Log: slog.New(slog.DiscardHandler)}))
	r.Mark("recovered")
	return r.Log()
}

// checkRecovery: whenever the power goes during a recovery, the next one ends as well.
func checkRecovery(t *testing.T) func(durabletest.Crash) error {
	return func(c durabletest.Crash) error {
		dir := t.TempDir()
		if err := c.Tree.Write(dir); err != nil {
			return err
		}
		s, err := Open(filepath.Join(dir, "datastore.db"), Options{CopyAfter: -1})
		if err != nil {
			return fmt.Errorf("%v: %w", c, err)
		}
		defer s.Close()
		n, err := numberOf(s)
		again := len(c.Marks) > 0 && s.Recovered() != nil
		if kept := s.corruptFiles(); err == nil && (n != "2" || again || len(kept) == 0) {
			err = fmt.Errorf("commit %s, recovered again %v, set aside %v", n, again, kept)
		}
		if err != nil {
			return fmt.Errorf("%v: %w", c, err)
		}
		return nil
	}
}

func TestPowerLossDuringRecovery(t *testing.T) {
	if err := recordRecovery(t).Crashes(checkRecovery(t)); err != nil {
		t.Error(err)
	}
}

func TestEverySyncOfRecoveryIsNeeded(t *testing.T) {
	log, noticed := recordRecovery(t), 0
	for i, op := range log.Ops {
		if !op.Syncs() {
			continue
		}
		noticed++
		if err := log.Without(i).CrashesAfter(i, checkRecovery(t)); err == nil {
			t.Errorf("nobody noticed that %s of %s (operation %d) was missing", op.Kind, op.Path, i)
		}
	}
	if noticed < 3 {
		t.Errorf("only %d syncs", noticed)
	}
}

// Whatever fails while the store is created or recovered, the next try succeeds.
func TestFailureAtEveryOperationOfOpen(t *testing.T) {
	for _, test := range []struct {
		name    string
		garbage bool
		want    string
	}{{"create", false, "0"}, {"recover", true, "2"}} {
		t.Run(test.name, func(t *testing.T) {
			for n := int64(1); ; n++ {
				path := tempPath(t)
				if test.garbage {
					path, _ = damagedStore(t)
					if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				faults := &durabletest.Faults{FS: durable.OS{}, At: n, Lasting: true, Err: syscall.ENOSPC}
				s, err := Open(path, Options{FS: faults, CopyAfter: -1})
				if !faults.Reached() {
					if err != nil {
						t.Fatal(err)
					}
					closeStore(t, s)
					return
				}
				if !errors.Is(err, syscall.ENOSPC) {
					t.Errorf("operation %d failed, but Open returned %v", n, err)
				}
				s = open(t, path, Options{CopyAfter: -1, Log: slog.New(slog.DiscardHandler)})
				if got, err := numberOf(s); got != test.want || err != nil {
					t.Errorf("operation %d failed: got commit %s, %v", n, got, err)
				}
				closeStore(t, s)
			}
		})
	}
}

// After a failed commit bbolt itself would show it: the meta page is written.
func TestFailedCommitIsReverted(t *testing.T) {
	path := tempPath(t)
	s := open(t, path, Options{Log: slog.New(slog.DiscardHandler)})
	for i := range 4 {
		update(t, s, everyTable(i+1))
		s.commit = func(btx *bbolt.Tx) error { return errors.Join(btx.Commit(), syscall.EIO) }
		if err := s.Update(t.Context(), Author{}, everyTable(9)); !errors.Is(err, syscall.EIO) {
			t.Errorf("got %v, want EIO", err)
		}
		s.commit = (*bbolt.Tx).Commit
		if n, err := numberOf(s); n != fmt.Sprint(i+1) || err != nil {
			t.Errorf("after a failed commit: %s, %v", n, err)
		}
		if i%2 == 1 {
			closeStore(t, s)
			s = open(t, path, Options{Log: slog.New(slog.DiscardHandler)})
			if n, err := numberOf(s); n != fmt.Sprint(i+1) || err != nil || s.Recovered() != nil {
				t.Errorf("opened again: %s, %v, %+v", n, err, s.Recovered())
			}
		}
	}
}

func TestPanicInCommitIsAnError(t *testing.T) {
	s := open(t, tempPath(t), Options{Log: slog.New(slog.DiscardHandler)})
	s.commit = func(*bbolt.Tx) error { panic("assertion of bbolt") }
	if err := s.Update(t.Context(), Author{}, set(pair("settings.b", `1`))); err == nil {
		t.Error("no error")
	}
	s.commit = (*bbolt.Tx).Commit
	update(t, s, set(pair("settings.a", `1`)))
	wantOnlyA(t, s)
}

func FuzzOpen(f *testing.F) {
	_, image := damagedStore(f)
	f.Add([]byte{})
	f.Add([]byte("garbage"))
	f.Add(image[:16*boltfile.PageSize])
	f.Add(image[:2*boltfile.PageSize])
	fresh, err := freshImage()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(fresh)
	f.Fuzz(func(t *testing.T, data []byte) {
		path := tempPath(t)
		if err := os.WriteFile(path, fixedMeta(data), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path, Options{CopyAfter: -1})
		if errors.Is(err, ErrFormat) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		s.Snapshot().JSON()
		if err := s.Update(t.Context(), Author{}, set(pair("settings.a", `1`))); err != nil {
			t.Error(err)
		}
		closeStore(t, s)
	})
}

// fixedMeta gives the meta pages right checksums, so that the fuzzer gets past them.
func fixedMeta(data []byte) []byte {
	data = bytes.Clone(data)
	for slot := range 2 {
		if at := slot * boltfile.PageSize; len(data) >= at+boltfile.PageSize {
			boltfile.FixChecksum(data[at : at+boltfile.PageSize])
		}
	}
	return data
}

func FuzzValue(f *testing.F) {
	origin, err := formatValue(nil, []byte(`"x"`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("\x03settings.motd"), origin)
	f.Add([]byte("\x01"), []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, k, payload []byte) {
		for table := range tableCount {
			l := newLoader(Options{}.filled())
			l.table = table
			record := seal(table, k, payload)
			if err := l.Record(boltfile.Bucket{}, k, record); err != nil {
				continue
			}
			if _, err := unseal(table, append(k, 'x'), record); err == nil {
				t.Error("a record is accepted under another key")
			}
		}
	})
}
