package delta

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
)

// content is an image: some of it random, some text, some empty, some twice.
func content(seed uint64, size int) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	var data []byte
	for len(data) < size {
		part := make([]byte, 1+r.IntN(100_000))
		switch r.IntN(4) {
		case 0:
		case 1:
			for i := range part {
				part[i] = "hostler "[r.IntN(8)]
			}
		case 2:
			part = bytes.Clone(data[:min(len(part), len(data))])
		default:
			part = noise(r.Uint64(), len(part))
		}
		data = append(data, part...)
	}
	return data[:size]
}

func build(t testing.TB, image []byte) (index, blocks []byte) {
	t.Helper()
	var i, b bytes.Buffer
	if err := Build(t.Context(), iotest.HalfReader(bytes.NewReader(image)), &i, &b); err != nil {
		t.Fatal(err)
	}
	return i.Bytes(), b.Bytes()
}

func parse(t testing.TB, index []byte) *Index {
	t.Helper()
	x, err := ReadIndex(bytes.NewReader(index))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// restore makes the image out of its index and blocks alone.
func restore(t testing.TB, x *Index, blocks []byte) []byte {
	t.Helper()
	unpack, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unpack.Close()
	var image []byte
	for i, c := range x.chunks {
		if c.at != int64(len(image)) {
			t.Fatalf("chunk %d is at %d, not %d", i, c.at, len(image))
		}
		if c.packed == 0 {
			first := x.chunks[c.block]
			image = append(image, image[first.at:first.at+int64(first.size)]...)
			continue
		}
		data := blocks[c.block : c.block+int64(c.packed)]
		if c.packed < c.size {
			if data, err = unpack.DecodeAll(data, nil); err != nil {
				t.Fatal(err)
			}
		}
		image = append(image, data...)
	}
	return image
}

func TestBuild(t *testing.T) {
	for _, size := range []int{1, leastChunk, leastChunk + 1, mostChunk, mostChunk + 1, 3_000_000} {
		image := content(uint64(size), size)
		index, blocks := build(t, image)
		x := parse(t, index)
		if x.Size != int64(size) || x.BlocksSize != int64(len(blocks)) {
			t.Errorf("%d bytes: %d and %d", size, x.Size, x.BlocksSize)
		}
		if !bytes.Equal(restore(t, x, blocks), image) {
			t.Errorf("%d bytes: another image", size)
		}
		for i, c := range x.chunks {
			if c.size > mostChunk || c.size < leastChunk && i < len(x.chunks)-1 {
				t.Errorf("%d bytes: chunk %d has %d", size, i, c.size)
			}
		}
		again, blocksAgain := build(t, image)
		if !bytes.Equal(index, again) || !bytes.Equal(blocks, blocksAgain) {
			t.Errorf("%d bytes: built twice, it differs", size)
		}
	}
}

// What moves is cut as before, but for where it begins.
func TestCutsFollowContent(t *testing.T) {
	image := content(1, 4_000_000)
	index, _ := build(t, image)
	known := map[sum]bool{}
	for _, c := range parse(t, index).chunks {
		known[c.sum] = true
	}
	moved := append([]byte("some bytes more"), image...)
	index, _ = build(t, moved)
	chunks := parse(t, index).chunks
	strange := 0
	for _, c := range chunks {
		if !known[c.sum] {
			strange++
		}
	}
	if strange > 5 {
		t.Errorf("%d of %d chunks are not known any more", strange, len(chunks))
	}
}

func TestBuildRefuses(t *testing.T) {
	broken := errors.New("broken")
	none := strings.NewReader("")
	some := func() io.Reader { return bytes.NewReader(content(2, 100_000)) }
	tests := []struct {
		name          string
		image         io.Reader
		index, blocks io.Writer
		want          string
	}{
		{"empty", none, io.Discard, io.Discard, "the image is empty"},
		{"broken image", io.MultiReader(some(), iotest.ErrReader(broken)), io.Discard, io.Discard, "read image: broken"},
		{"broken index", some(), errWriter{broken}, io.Discard, "write index: broken"},
		{"broken blocks", some(), io.Discard, errWriter{broken}, "write blocks: broken"},
	}
	for _, test := range tests {
		if err := Build(t.Context(), test.image, test.index, test.blocks); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", test.name, err, test.want)
		}
	}
}

type errWriter struct{ err error }

func (w errWriter) Write([]byte) (int, error) { return 0, w.err }

// forged is an index with a header that may lie, and chunks as given.
func forged(size, blocks uint64, count uint32, chunks ...any) []byte {
	out := append([]byte(magic), binary.LittleEndian.AppendUint64(nil, size)...)
	out = append(out, make([]byte, 32)...)
	out = binary.LittleEndian.AppendUint64(out, blocks)
	out = binary.LittleEndian.AppendUint32(out, count)
	for _, c := range chunks {
		switch c := c.(type) {
		case int:
			out = binary.AppendUvarint(out, uint64(c))
		case string:
			out = append(out, c...)
		}
	}
	return out
}

func TestReadIndexRefuses(t *testing.T) {
	index, _ := build(t, content(3, 200_000))
	broken := errors.New("broken")
	later := bytes.Clone(index)
	later[len(magic)-1] = 2
	hash := strings.Repeat("h", sumSize)
	tests := []struct {
		name  string
		index []byte
		want  string
	}{
		{"nothing", nil, "it ends in the midst, at chunk 0"},
		{"cut off", index[:len(index)-1], "it ends in the midst, at chunk"},
		{"cut off between chunks", forged(200, 200, 2, 100, 100, hash), "it ends in the midst, at chunk 1"},
		{"another version", later, `it begins with "hostler\x02", expected "hostler\x01"`},
		{"more behind", append(bytes.Clone(index), 0), "more bytes follow"},
		{"no chunks", forged(0, 0, 0), "it states 0 chunks"},
		{"too many chunks", forged(1<<40, 1, 1<<31), "it states 2147483648 chunks, expected 1 to 524288"},
		{"too large", forged(1<<63+5, 1, 5), "which 5 chunks cannot have"},
		{"blocks larger than the image", forged(100, 101, 1), "which 1 chunks cannot have"},
		{"other size", forged(101, 100, 1, 100, 100, hash), "its chunks have 100 bytes, 100 in the blocks file; it states 101 and 100"},
		{"other size of blocks", forged(100, 99, 1, 100, 100, hash), "it states 100 and 99"},
		{"empty chunk", forged(100, 100, 1, 1, 0, hash), "chunk 0: a number is out of range"},
		{"huge chunk", forged(100, 100, 1, 1, mostChunk+1, hash), "chunk 0: a number is out of range"},
		{"grown chunk", forged(100, 100, 1, 101, 100, hash), "chunk 0: a number is out of range"},
		{"the same as itself", forged(100, 100, 1, 0, 0), "chunk 0: a number is out of range"},
		{"the same as one before the first", forged(100, 100, 2, 50, 50, hash, 0, 2), "chunk 1: a number is out of range"},
		{"the same as one that is the same", forged(150, 50, 3, 50, 50, hash, 0, 1, 0, 1), "chunk 2: a number is out of range"},
		{"endless number", forged(100, 100, 1, strings.Repeat("\xff", 20)), "chunk 0: a number is out of range"},
	}
	for _, test := range tests {
		if _, err := ReadIndex(bytes.NewReader(test.index)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", test.name, err, test.want)
		}
	}
	if _, err := ReadIndex(io.MultiReader(bytes.NewReader(index), iotest.ErrReader(broken))); err != broken {
		t.Errorf("the source's last word: %v", err)
	}
}

func FuzzReadIndex(f *testing.F) {
	index, _ := build(f, content(3, 200_000))
	f.Add(index)
	f.Add(forged(150, 50, 3, 50, 50, strings.Repeat("h", sumSize), 0, 1, 0, 1))
	f.Fuzz(func(t *testing.T, index []byte) {
		x, err := ReadIndex(bytes.NewReader(index))
		if err != nil {
			return
		}
		var at, block int64
		for i, c := range x.chunks {
			if c.at != at || c.size == 0 || c.size > mostChunk {
				t.Fatalf("chunk %d: %+v", i, c)
			}
			at += int64(c.size)
			switch {
			case c.packed > 0 && c.block != block:
				t.Fatalf("chunk %d: %+v", i, c)
			case c.packed == 0 && (c.block >= int64(i) || x.chunks[c.block].packed == 0 || x.chunks[c.block].sum != c.sum):
				t.Fatalf("chunk %d: %+v", i, c)
			}
			block += int64(c.packed)
		}
		if at != x.Size || block != x.BlocksSize {
			t.Fatalf("%d and %d", at, block)
		}
	})
}

func packZstd(t testing.TB, data []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll(data, nil)
}
