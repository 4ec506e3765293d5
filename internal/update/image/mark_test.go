package image

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/pierrec/lz4/v4"
)

// mutations is what testdata/linked.lz4 has: blocks that refer to the one before.
func mutations() []byte {
	part := noise(30_000)
	var data []byte
	for i := 0; len(data) < 3_500_000; i++ {
		binary.LittleEndian.PutUint32(part[i%7000*4:], uint32(i))
		data = append(data, part...)
	}
	return data
}

// Made with: lz4 -9 -BD -B4 --content-size
func linked(t testing.TB) []byte {
	t.Helper()
	packed, err := os.ReadFile("testdata/linked.lz4")
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

func framed(t testing.TB, data []byte, options ...lz4.Option) []byte {
	t.Helper()
	var out bytes.Buffer
	w := lz4.NewWriter(&out)
	if err := w.Apply(options...); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

var errCut = errors.New("the power went")

// cutAt writes until the mark of that number is kept; it is nil if there are fewer.
func cutAt(t *testing.T, p *Partition, packed []byte, number int) (last *Mark) {
	t.Helper()
	_, err := Write(t.Context(), p, bytes.NewReader(packed), Options{
		KeepEvery: 1, Note: func() ([]byte, error) { return []byte("note"), nil },
		Keep: func(m Mark) error {
			if number--; number < 0 {
				last = &m
				return errCut
			}
			return nil
		},
	})
	if last == nil && err != nil || last != nil && !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	return last
}

func TestGoOnFromEveryMark(t *testing.T) {
	data := content(1, 5_500_000)
	split := append(framed(t, data[:2<<20], lz4.BlockSizeOption(lz4.Block256Kb)), framed(t, data[2<<20:])...)
	skipped := append([]byte("\x51\x2a\x4d\x18\x03\x00\x00\x00abc"), framed(t, data)...)
	tests := []struct {
		name         string
		data, packed []byte
		marks        int
	}{
		{"blocks of 64 KiB", data, framed(t, data, lz4.BlockSizeOption(lz4.Block64Kb)), 5},
		{"blocks of 1 MiB, with sums and size", data, framed(t, data, lz4.BlockSizeOption(lz4.Block1Mb), lz4.BlockChecksumOption(true), lz4.SizeOption(5_500_000)), 5},
		{"blocks of 4 MiB", data, framed(t, data, lz4.BlockSizeOption(lz4.Block4Mb)), 1},
		{"blocks that refer to others", mutations(), linked(t), 3},
		{"two frames", data, split, 2},
		{"a skipped frame", data, skipped, 1},
		{"zstd", data, pack(t, Zstd, data), 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for number := 0; ; number++ {
				path, p := disk(t, 6<<20)
				mark := cutAt(t, p, test.packed, number)
				if mark == nil {
					if number != test.marks {
						t.Errorf("%d marks, want %d", number, test.marks)
					}
					check(t, path, 6<<20, test.data)
					return
				}
				text, err := json.Marshal(mark)
				if err != nil {
					t.Fatal(err)
				}
				var kept Mark
				if err := json.Unmarshal(text, &kept); err != nil || string(kept.Note) != "note" {
					t.Fatalf("%s: %v", text, err)
				}
				var last Progress
				r, err := Write(t.Context(), p, bytes.NewReader(test.packed[kept.Read:]), Options{From: &kept, Progress: func(p Progress) { last = p }})
				if err != nil || r.Size != int64(len(test.data)) || last.Read != int64(len(test.packed)) || last.Done != r.Size {
					t.Errorf("mark %d: %+v, %+v, %v", number, r, last, err)
				}
				check(t, path, 6<<20, test.data)
			}
		})
	}
}

func TestStaleMarks(t *testing.T) {
	data := content(1, 5<<20)
	packed := framed(t, data, lz4.BlockSizeOption(lz4.Block64Kb))
	for name, spoil := range map[string]func(*Partition, *Mark) error{
		"another image": func(p *Partition, _ *Mark) error { _, err := p.WriteAt([]byte{1, 2, 3}, 1_500_000); return err },
		"nowhere":       func(_ *Partition, m *Mark) error { m.Done += 7; return nil },
		"behind":        func(_ *Partition, m *Mark) error { m.Done += 100 << 20; return nil },
		"before":        func(_ *Partition, m *Mark) error { m.Done = -1 << 20; return nil },
		"a huge block":  func(_ *Partition, m *Mark) error { m.Frame.Most = 1 << 40; return nil },
		"no block":      func(_ *Partition, m *Mark) error { m.Frame.Most = 0; return nil },
		"another sum":   func(_ *Partition, m *Mark) error { m.SHA256 = nil; return nil },
	} {
		_, p := disk(t, 6<<20)
		mark := cutAt(t, p, packed, 2)
		if err := spoil(p, mark); err != nil {
			t.Fatal(err)
		}
		if _, err := Write(t.Context(), p, bytes.NewReader(packed[mark.Read:]), Options{From: mark}); !errors.Is(err, ErrStale) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Marks are not kept more often than asked for.
func TestMarksAreRare(t *testing.T) {
	data := noise(12 << 20)
	packed := framed(t, data, lz4.BlockSizeOption(lz4.Block64Kb))
	for every, want := range map[int64]int{1: 12, 4 << 20: 3, 0: 0} {
		_, p := disk(t, 13<<20)
		n := 0
		if _, err := Write(t.Context(), p, bytes.NewReader(packed), Options{KeepEvery: every, Keep: func(Mark) error { n++; return nil }}); err != nil {
			t.Fatal(err)
		}
		if n < want-1 || n > want {
			t.Errorf("every %d bytes: %d marks", every, n)
		}
	}
}

func TestFramesRefused(t *testing.T) {
	head := "\x04\x22\x4d\x18"
	block := func(size uint32) string { return string(binary.LittleEndian.AppendUint32(nil, size)) }
	for name, test := range map[string]struct{ packed, want string }{
		"another version":   {head + "\xa0\x40\x00", "a frame of a kind that is not known: a040"},
		"a dictionary":      {head + "\x61\x40\x00", "not known: 6140"},
		"blocks of no size": {head + "\x60\x00\x00", "not known: 6000"},
		"no header":         {head + "\x60", "unexpected EOF"},
		"a large block":     {head + "\x60\x40\x00" + block(1<<20), "a block of 1048576 bytes in a frame with at most 65536"},
		"no block":          {head + "\x60\x40\x00" + block(100), "unexpected EOF"},
		"less than stated":  {head + "\x68\x40" + "\x05\x00\x00\x00\x00\x00\x00\x00\x00" + block(1|1<<31) + "a" + block(0), "a frame has not as much content as it states"},
		"more than stated":  {head + "\x68\x40" + "\x01\x00\x00\x00\x00\x00\x00\x00\x00" + block(2|1<<31) + "ab" + block(0), "a frame has not as much content as it states"},
		"refers before it":  {head + "\x40\x40\x00" + block(6) + "\x14a\x09\x00\x00\x00" + block(0), "lz4: "},
		"a skip to nowhere": {"\x50\x2a\x4d\x18\xff\xff\x00\x00", "unexpected EOF"},
		"something behind":  {head + "\x60\x40\x00" + block(0) + "text", "something else follows: 74657874"},
	} {
		_, p := disk(t, 1<<20)
		if _, err := Write(t.Context(), p, bytes.NewReader([]byte(test.packed)), Options{}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
}

// Behind a mark much is told to be read back at once, and the image may end soon:
// what was read back while it was written is not missed when all is.
func TestReadBackEndsWithTheImage(t *testing.T) {
	data := content(1, spanSize+blockSize/2)
	_, p := disk(t, spanSize+blockSize)
	w := newWriter(p, Options{Progress: func(Progress) {}})
	w.d = &decompressor{source: &source{}}
	for at := 0; at < len(data); at += blockSize {
		w.put(data[at:min(at+blockSize, len(data))], func() {})
	}
	if err := w.settle(); err != nil {
		t.Fatal(err)
	}
	close(w.told)
	if err := errors.Join(w.follow(t.Context()), p.Sync(), w.verify(t.Context())); err != nil {
		t.Error(err)
	}
}
