package boltfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
)

// image is a file with a bucket of one inline page and a tree with overflow
// pages; the newest of its commits has put "newest".
func image(t testing.TB) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: PageSize, NoFreelistSync: true})
	if err != nil {
		t.Fatal(err)
	}
	db.AllocSize = PageSize
	for i := range 4 {
		if err := db.Update(func(btx *bbolt.Tx) error { return fill(btx, i) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func fill(btx *bbolt.Tx, round int) error {
	small, err := btx.CreateBucketIfNotExists([]byte("small"))
	if err != nil {
		return err
	}
	large, err := btx.CreateBucketIfNotExists([]byte("large"))
	if err != nil {
		return err
	}
	for i := range 300 {
		v := fmt.Appendf(nil, "value %d of round %d", i, round)
		if err := large.Put(fmt.Appendf(nil, "key %03d", i), v); err != nil {
			return err
		}
	}
	return errors.Join(
		small.Put([]byte("round"), fmt.Append(nil, round)),
		small.SetSequence(uint64(round)),
		large.Put([]byte("overflow"), []byte(strings.Repeat("x", 3*PageSize))),
	)
}

// counter is a visitor that keeps what is small and counts the rest.
type counter struct {
	seen  []string
	count map[string]int
}

func (c *counter) Bucket(b Bucket) error {
	c.seen = append(c.seen, fmt.Sprintf("%s %d", b.Name, b.Sequence))
	return nil
}

func (c *counter) Record(b Bucket, k, v []byte) error {
	c.count[b.Name]++
	if b.Name == "small" {
		c.seen = append(c.seen, fmt.Sprintf("%s=%s", k, v))
	}
	return nil
}

func (c *counter) EndBucket(b Bucket) error {
	c.seen = append(c.seen, "end")
	return nil
}

func walk(data []byte, i int) (*counter, error) {
	c := &counter{count: map[string]int{}}
	f, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return c, err
	}
	return c, f.Walk(f.Metas[i], c)
}

func TestWalkVisitsEveryRecord(t *testing.T) {
	for i, round := range []int{3, 2} {
		c, err := walk(image(t), i)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"large 0", "end", fmt.Sprintf("small %d", round), fmt.Sprintf("round=%d", round), "end"}
		if diff := cmp.Diff(c.seen, want); diff != "" {
			t.Error(diff)
		}
		if got := c.count["large"]; got != 301 {
			t.Errorf("%d records in the large bucket, want 301", got)
		}
	}
}

func TestImageIsAFileOfOneCommit(t *testing.T) {
	data := image(t)
	f, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := f.Image(&out, f.Metas[1]); err != nil {
		t.Fatal(err)
	}
	if int64(out.Len()) != f.Metas[1].Size() {
		t.Errorf("%d bytes, want %d", out.Len(), f.Metas[1].Size())
	}
	for i := range 2 {
		if c, err := walk(out.Bytes(), i); err != nil || c.seen[2] != "small 2" {
			t.Errorf("meta page %d: %v, %v", i, c.seen, err)
		}
	}
}

func TestVisitorEndsTheWalk(t *testing.T) {
	data, stop := image(t), errors.New("stop")
	f, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Walk(f.Metas[0], stopper{&counter{count: map[string]int{}}, stop}); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

type stopper struct {
	*counter
	err error
}

func (s stopper) Record(Bucket, []byte, []byte) error { return s.err }

// Numbers that would lead bbolt out of its mapping or round in circles.
func TestHostilePages(t *testing.T) {
	data := image(t)
	f, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	root := int(f.Metas[0].root) * PageSize
	tree := int(binary.NativeEndian.Uint64(data[valueAt(data, root):])) * PageSize
	u16, u32, u64 := binary.NativeEndian.PutUint16, binary.NativeEndian.PutUint32, binary.NativeEndian.PutUint64
	tests := []struct {
		name   string
		damage func(b []byte)
		want   string
	}{
		{"branch points at itself", func(b []byte) { u64(b[tree+24:], uint64(tree/PageSize)) }, "used twice"},
		{"branch points at a meta page", func(b []byte) { u64(b[tree+24:], 1) }, "not one of the pages"},
		{"branch points far away", func(b []byte) { u64(b[tree+24:], 1<<60) }, "not one of the pages"},
		{"bucket points far away", func(b []byte) { u64(b[valueAt(b, root):], 1<<63) }, "not one of the pages"},
		{"key out of bounds", func(b []byte) { u32(b[tree+16:], 1<<32-1) }, "out of bounds"},
		{"key in the table", func(b []byte) { u32(b[tree+16:], 1) }, "out of bounds"},
		{"key without length", func(b []byte) { u32(b[tree+20:], 0) }, "without a key"},
		{"too many elements", func(b []byte) { u16(b[tree+10:], 1<<16-1) }, "more than fit"},
		{"no elements", func(b []byte) { u16(b[tree+10:], 0) }, "empty branch"},
		{"other number", func(b []byte) { u64(b[tree:], 2) }, "says that it is page 2"},
		{"other kind", func(b []byte) { b[tree+8] = flagMeta }, "neither branch nor leaf"},
		{"endless overflow", func(b []byte) { u32(b[tree+12:], 1<<32-1) }, "beyond the end"},
		{"record in place of a bucket", func(b []byte) { u32(b[root+16:], 0) }, "not a bucket"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			damaged := bytes.Clone(data)
			test.damage(damaged)
			_, err := walk(damaged, 0)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want …%s…", err, test.want)
			}
		})
	}
}

// valueAt is where the value of the first element of a leaf page stands.
func valueAt(b []byte, page int) int {
	order := binary.NativeEndian
	return page + headerSize + int(order.Uint32(b[page+headerSize+4:])) + int(order.Uint32(b[page+headerSize+8:]))
}

func FuzzWalk(f *testing.F) {
	data := image(f)
	f.Add(data)
	f.Add(data[:3*PageSize])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		data = bytes.Clone(data)
		for slot := range 2 {
			if len(data) >= (slot+1)*PageSize {
				FixChecksum(data[slot*PageSize:])
			}
		}
		for i := range 2 {
			pages, err := Open(bytes.NewReader(data), int64(len(data)))
			if err != nil || i >= len(pages.Metas) {
				return
			}
			// Every page is used once, so that there is an end to it.
			_, _ = walk(data, i)
		}
	})
}
