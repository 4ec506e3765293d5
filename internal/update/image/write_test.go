package image

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"pgregory.net/rapid"
)

// content is an image: some of it random, some of it empty.
func content(seed uint64, size int) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	data := make([]byte, size)
	for at := 0; at < size; at += 40_000 {
		if r.IntN(3) > 0 {
			for i := at; i < min(at+40_000, size); i++ {
				data[i] = byte(r.Uint32())
			}
		}
	}
	return data
}

func pack(t testing.TB, f Format, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser = lz4.NewWriter(&out)
	if f == Zstd {
		var err error
		if w, err = zstd.NewWriter(&out); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// disk is an image file of garbage with a partition in the middle.
func disk(t testing.TB, size int64) (path string, p *Partition) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, bytes.Repeat([]byte{0xaa}, int(size)+8192), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Open(path, 4096, size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return path, p
}

// check compares a disk with what it must be: what was written, and all around it as before.
func check(t testing.TB, path string, size int64, written []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte{0xaa}, int(size)+8192)
	copy(want[4096:], written)
	if !bytes.Equal(got, want) {
		t.Errorf("the disk differs from what it must be")
	}
}

// cache are disks that can be read and written past the kernel's cache, as far as where the
// tests run can, and such that cannot.
var cache = map[string]func(testing.TB, *Partition){
	"past the cache": func(testing.TB, *Partition) {},
	"through the cache": func(t testing.TB, p *Partition) {
		if p.direct == nil {
			return
		}
		if err := p.direct.Close(); err != nil {
			t.Error(err)
		}
		p.direct = nil
	},
}

func TestWrite(t *testing.T) {
	for name, cached := range cache {
		t.Run(name, func(t *testing.T) { testWrite(t, cached) })
	}
}

func testWrite(t *testing.T, cached func(testing.TB, *Partition)) {
	t.Helper()
	const size = 5 << 20
	for _, f := range []Format{LZ4, Zstd} {
		for _, length := range []int{1, 4096, blockSize, blockSize + 1, 3*blockSize - 7, size} {
			path, p := disk(t, size)
			cached(t, p)
			data := content(1, length)
			packed := pack(t, f, data)
			var last Progress
			r, err := Write(t.Context(), p, bytes.NewReader(packed), Options{Progress: func(p Progress) { last = p }})
			if err != nil || r.Size != int64(length) || r.Format != f {
				t.Errorf("%s, %d bytes: %+v, %v", f, length, r, err)
			}
			want := Progress{Verifying, int64(len(packed)), int64(length), r.Changed}
			if last != want {
				t.Errorf("%s, %d bytes: last progress %+v, want %+v", f, length, last, want)
			}
			check(t, path, size, data)
		}
	}
}

// A place that begins in the midst of a sector, and an image of more than one span.
func TestWriteAnywhere(t *testing.T) {
	const size, offset = 17<<20 + 5, 77
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, bytes.Repeat([]byte{0xaa}, size+2*offset), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Open(path, offset, size)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	data := content(3, size)
	if _, err := Write(t.Context(), p, bytes.NewReader(pack(t, LZ4, data)), Options{}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	around := bytes.Repeat([]byte{0xaa}, offset)
	if want := slices.Concat(around, data, around); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the disk differs from what it must be: %v", err)
	}
}

func TestOnlyWhatDiffersIsWritten(t *testing.T) {
	path, p := disk(t, 5<<20)
	data := content(1, 4<<20)
	write := func() Report {
		r, err := Write(t.Context(), p, bytes.NewReader(pack(t, LZ4, data)), Options{})
		if err != nil {
			t.Fatal(err)
		}
		check(t, path, 5<<20, data)
		return r
	}
	write()
	if r := write(); r.Changed != 0 {
		t.Errorf("the same image again: %+v", r)
	}
	data[2_000_000] ^= 1
	if r := write(); r.Changed != partSize {
		t.Errorf("one byte: %+v", r)
	}
}

// Where another image lies not everything is read, but what is written is the same.
func TestAnotherImageIsOverwritten(t *testing.T) {
	path, p := disk(t, 40<<20)
	want := noise(40 << 20)
	r, err := Write(t.Context(), p, bytes.NewReader(pack(t, LZ4, want)), Options{})
	if err != nil || r.Changed != 40<<20 {
		t.Fatalf("%+v, %v", r, err)
	}
	check(t, path, 40<<20, want)
	next := noise(40 << 20)
	for i := range 30 << 20 {
		next[i] ^= 1
	}
	next[35<<20] ^= 1
	r, err = Write(t.Context(), p, bytes.NewReader(pack(t, LZ4, next)), Options{})
	if err != nil || r.Changed != 30<<20+partSize {
		t.Errorf("%+v, %v", r, err)
	}
	check(t, path, 40<<20, next)
}

func noise(size int) []byte {
	r, data := rand.New(rand.NewPCG(3, 3)), make([]byte, size)
	for i := 0; i < size; i += 8 {
		binary.LittleEndian.PutUint64(data[i:], r.Uint64())
	}
	return data
}

// A release may be packed in several frames, as lz4's and zstd's own tools do.
func TestSeveralFrames(t *testing.T) {
	data := content(2, 3<<20)
	for _, f := range []Format{LZ4, Zstd} {
		path, p := disk(t, 4<<20)
		packed := append(pack(t, f, data[:1_500_001]), pack(t, f, data[1_500_001:])...)
		if _, err := Write(t.Context(), p, bytes.NewReader(packed), Options{}); err != nil {
			t.Errorf("%s: %v", f, err)
		}
		check(t, path, 4<<20, data)
	}
}

// The source's last word counts, also when the decompressor has enough.
func TestTheSourceIsReadToItsEnd(t *testing.T) {
	wrong := errors.New("the hash is wrong")
	for _, f := range []Format{LZ4, Zstd} {
		for _, length := range []int{10, blockSize, 2_500_000} {
			packed := pack(t, f, content(3, length))
			for name, r := range map[string]io.Reader{
				"at the end":   io.MultiReader(bytes.NewReader(packed), iotest.ErrReader(wrong)),
				"bytewise":     io.MultiReader(bytes.NewReader(packed[:len(packed)-2]), iotest.OneByteReader(bytes.NewReader(packed[len(packed)-2:])), iotest.ErrReader(wrong)),
				"in the midst": io.MultiReader(bytes.NewReader(packed[:len(packed)/2]), iotest.ErrReader(wrong)),
				"at once":      iotest.ErrReader(wrong),
			} {
				_, p := disk(t, 4<<20)
				if _, err := Write(t.Context(), p, r, Options{}); !errors.Is(err, wrong) {
					t.Errorf("%s, %d bytes, %s: %v", f, length, name, err)
				}
			}
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	data := content(4, 3<<20)
	plain, stated := pack(t, LZ4, data), new(bytes.Buffer)
	w := lz4.NewWriter(stated)
	if err := w.Apply(lz4.SizeOption(uint64(len(data)))); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	zeros := pack(t, Zstd, make([]byte, 64<<20))
	tests := []struct {
		name   string
		packed []byte
		want   string
	}{
		{"nothing", nil, "neither an lz4 nor a zstd image: it has 0 bytes"},
		{"three bytes", plain[:3], "neither an lz4 nor a zstd image: it has 3 bytes"},
		{"not compressed", data[40_000:], "neither an lz4 nor a zstd image: it begins with"},
		{"too large", plain, "the image is larger than its partition, which has 2097152 bytes"},
		{"too large, and says so", stated.Bytes(), "the image is larger than its partition: it has 3145728 bytes, the partition 2097152"},
		{"a bomb", zeros, "the image is larger than its partition"},
		{"empty", pack(t, LZ4, nil), "the image is empty"},
		{"cut off", plain[:1_000_000], "decompress lz4: unexpected EOF"},
		{"cut off at the end mark", pack(t, LZ4, data[:100])[:20], "decompress lz4"},
		{"text behind", append(pack(t, LZ4, data[:1<<20]), "text behind"...), "decompress lz4"},
		{"text behind", append(pack(t, Zstd, data[:1<<20]), "text behind"...), "decompress zstd"},
	}
	for _, test := range tests {
		_, p := disk(t, 2<<20)
		if _, err := Write(t.Context(), p, bytes.NewReader(test.packed), Options{}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", test.name, err, test.want)
		}
	}
}

func TestWriteIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	_, p := disk(t, 64<<20)
	stop := errors.New("stop")
	_, err := Write(ctx, p, bytes.NewReader(pack(t, LZ4, content(5, 60<<20))), Options{Progress: func(Progress) { cancel(stop) }})
	if !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

// Whatever the size of an image, the budget of all of updog is 64 MiB.
func TestMemoryIsBounded(t *testing.T) {
	const size = 256 << 20
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	p, err := Open(path, 0, size)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	// A small disk's worth of what differs; all else stays a hole in the file.
	frames := []io.Reader{bytes.NewReader(pack(t, LZ4, content(9, 1<<20)))}
	zeros := pack(t, LZ4, make([]byte, 16<<20))
	for range size/(16<<20) - 1 {
		frames = append(frames, bytes.NewReader(zeros))
	}
	var most uint64
	r, err := Write(t.Context(), p, io.MultiReader(frames...), Options{Progress: func(now Progress) {
		if now.Done>>20%32 == 0 {
			var m runtime.MemStats
			runtime.GC() // of other tests' garbage
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc+m.StackInuse)
		}
	}})
	if err != nil || r.Size != size-15<<20 || r.Changed > 1<<20 {
		t.Errorf("%+v, %v", r, err)
	}
	if most == 0 || most > 48<<20 {
		t.Errorf("%d MiB of memory in use", most>>20)
	}
}

func TestOpenRefuses(t *testing.T) {
	path, _ := disk(t, 4096)
	for _, test := range []struct{ offset, size int64 }{{0, 0}, {-1, 4096}, {8192, 4097}, {1 << 62, 1 << 62}, {0, 1 << 62}} {
		if _, err := Open(path, test.offset, test.size); err == nil {
			t.Errorf("%+v was opened", test)
		}
	}
	if _, err := Open("/dev/null", 0, 4096); err == nil || !strings.Contains(err.Error(), "neither a block device nor an image file") {
		t.Errorf("/dev/null: %v", err)
	}
	_, p := disk(t, 4096)
	if _, err := p.WriteAt(make([]byte, 2), 4095); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("behind the end: %v", err)
	}
}

// Someone else writes to the disk between writing and reading back, which is
// done after the sync for a small image, and for the beginning of a large one while more is written.
func TestMismatchIsSeen(t *testing.T) {
	for _, size := range []int{8 << 20, 20 << 20} {
		for name, cached := range cache {
			path, p := disk(t, int64(size))
			cached(t, p)
			other, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			data, spoiled := content(6, size), 0
			_, err = Write(t.Context(), p, bytes.NewReader(pack(t, LZ4, data)), Options{Progress: func(now Progress) {
				if spoiled == 0 && now.Done == 8<<20 {
					spoiled++
					spoil(t, p, other, 5<<20, data[5<<20:6<<20])
				}
			}})
			if !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), "in the 1048576 bytes from 5242880 on") {
				t.Errorf("%d bytes, %s: got %v", size, name, err)
			}
		}
	}
}

// spoil changes a byte of a block as soon as the disk has the block.
func spoil(t *testing.T, p *Partition, other *os.File, at int64, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	for deadline := time.Now().Add(time.Minute); !bytes.Equal(got, want); {
		if err := p.ReadBack(got, at); err != nil || time.Now().After(deadline) {
			t.Errorf("never written: %v", err)
			return
		}
	}
	if _, err := other.WriteAt([]byte{^want[77]}, p.offset+at+77); err != nil {
		t.Error(err)
	}
}

func TestRapidWrite(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		path, p := disk(t, 3<<20)
		var data []byte
		for range rapid.IntRange(1, 3).Draw(rt, "times") {
			next := content(rapid.Uint64Range(0, 3).Draw(rt, "seed"), rapid.IntRange(1, 3<<20).Draw(rt, "size"))
			f := rapid.SampledFrom([]Format{LZ4, Zstd}).Draw(rt, "format")
			if _, err := Write(t.Context(), p, bytes.NewReader(pack(t, f, next)), Options{}); err != nil {
				rt.Fatal(err)
			}
			data = append(next, data[min(len(next), len(data)):]...)
		}
		check(t, path, 3<<20, data)
	})
}

func FuzzWrite(f *testing.F) {
	f.Add(pack(f, LZ4, []byte("some image, some image, some image")))
	f.Add(pack(f, Zstd, []byte("some image, some image, some image")))
	path := filepath.Join(f.TempDir(), "disk")
	if err := os.WriteFile(path, make([]byte, 16<<10), 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		p, err := Open(path, 4096, 8192)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		r, err := Write(t.Context(), p, bytes.NewReader(packed), Options{})
		if err == nil && (r.Size < 1 || r.Size > 8192) {
			t.Errorf("%+v", r)
		}
		got, err := os.ReadFile(path)
		if err != nil || len(got) != 16<<10 || strings.Trim(string(got[:4096])+string(got[12288:]), "\x00") != "" {
			t.Errorf("something was written outside the partition: %v", err)
		}
	})
}

// What is behind an image does not matter, not even if the disk cannot read it.
func TestReadBackReadsNothingBehind(t *testing.T) {
	_, p := disk(t, blockSize)
	room := bytes.Repeat([]byte{0x55}, blockSize)
	if err := p.ReadBack(room[:1], 0); err != nil {
		t.Fatal(err)
	}
	if room[0] != 0xaa || !bytes.Equal(room[sector:], bytes.Repeat([]byte{0x55}, blockSize-sector)) {
		t.Error("more was read than the sector that is asked for")
	}
}
