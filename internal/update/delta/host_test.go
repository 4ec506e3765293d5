package delta

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

var errPower = errors.New("the power went")

// slot is a partition in memory, of which parts cannot be read, and which loses power after some writes.
type slot struct {
	data   []byte
	writes int // until it goes; negative: never
	made   int
	lost   bool // it answers with what it was before
	bad    func(at int64) bool
}

func newSlot(data []byte) *slot { return &slot{data: data, writes: -1} }

func (s *slot) reader() *io.SectionReader { return io.NewSectionReader(s, 0, int64(len(s.data))) }

func (s *slot) ReadAt(p []byte, at int64) (int, error) {
	for i := range p {
		if s.bad != nil && s.bad(at+int64(i)) {
			return i, errors.New("unreadable sector")
		}
	}
	n := copy(p, s.data[min(at, int64(len(s.data))):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (s *slot) WriteAt(p []byte, at int64) (int, error) {
	if s.made++; s.writes == 0 {
		torn := copy(s.data[at:], p[:len(p)/3])
		return torn, errPower
	}
	s.writes--
	return copy(s.data[at:], p), nil
}

func (s *slot) Flush(int64, int64) {}

func (s *slot) Sync() error {
	if s.lost {
		clear(s.data[:10])
	}
	return nil
}

// server has a blocks file.
type server struct {
	mu    sync.Mutex
	file  []byte
	asked int64
	calls int
	fail  int // at that call; 0: never
}

var errNetwork = errors.New("no answer")

func (s *server) ReadRange(_ context.Context, data []byte, offset int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls++; s.calls == s.fail {
		return errNetwork
	}
	s.asked += int64(len(data))
	if copy(data, s.file[min(offset, int64(len(s.file))):]) < len(data) {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// changed is an image after an update: parts moved, inserted, replaced, lost.
func changed(r *rand.Rand, old []byte) []byte {
	data := bytes.Clone(old)
	for range r.IntN(6) {
		at := r.IntN(len(data))
		length := min(len(data)-at, 1+r.IntN(50_000))
		switch part := bytes.Clone(data[at : at+length]); r.IntN(4) {
		case 0:
			data = append(data[:at], data[at+length:]...)
		case 1:
			data = append(data[:at:at], append(part, data[at:]...)...)
		case 2:
			copy(data[at:], noise(r.Uint64(), length))
		default:
			data = append(append(data[:at:at], data[at+length:]...), part...)
		}
		if len(data) == 0 {
			return []byte{1}
		}
	}
	return data
}

// update is one run of a host.
func update(ctx context.Context, index []byte, place, running *slot, blocks Blocks) (*Plan, Report, error) {
	x, err := ReadIndex(bytes.NewReader(index))
	if err != nil {
		return nil, Report{}, err
	}
	p, err := x.Plan(ctx, place.reader(), running.reader(), nil)
	if err != nil {
		return nil, Report{}, err
	}
	r, err := p.Assemble(ctx, place, running, blocks, nil)
	return p, r, err
}

func TestAnyImageOutOfAnyOther(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		old := content(r.Uint64(), 1+r.IntN(100_000))
		want := changed(r, old)
		if r.IntN(8) == 0 {
			want = content(r.Uint64(), 1+r.IntN(100_000))
		}
		index, blocks := build(t, want)
		place := newSlot(content(r.Uint64(), len(want)+r.IntN(10_000)))
		behind := bytes.Clone(place.data[len(want):])
		for range r.IntN(4) {
			at := r.IntN(len(want))
			copy(place.data[at:], want[at:min(len(want), at+r.IntN(100_000))])
		}
		sum := len(want)
		web := &server{file: blocks}
		p, report, err := update(t.Context(), index, place, newSlot(old), web)
		if err != nil {
			rt.Fatal(err)
		}
		if !bytes.Equal(place.data[:sum], want) || !bytes.Equal(place.data[sum:], behind) {
			rt.Fatal("another image")
		}
		if p.Fetch != report.Fetched || web.asked != report.Fetched || p.Requests != web.calls {
			rt.Errorf("planned %d in %d, fetched %d, asked for %d in %d", p.Fetch, p.Requests, report.Fetched, web.asked, web.calls)
		}
	})
}

// An update that changes little fetches little, and once more fetches nothing.
func TestLittleIsFetched(t *testing.T) {
	old := content(7, 4_000_000)
	want := bytes.Clone(old)
	copy(want[3_000_000:], noise(8, 100_000))
	want = append(want[:1_000_000:1_000_000], append([]byte("longer"), want[1_000_000:]...)...)
	index, blocks := build(t, want)
	place := newSlot(make([]byte, len(want)))
	p, report, err := update(t.Context(), index, place, newSlot(old), &server{file: blocks})
	if err != nil || !bytes.Equal(place.data, want) {
		t.Fatal(err)
	}
	if report.Fetched > 500_000 || p.Requests > 3 {
		t.Errorf("fetched %d in %d requests", report.Fetched, p.Requests)
	}
	p, report, err = update(t.Context(), index, place, newSlot(old), nil)
	if err != nil || report.Fetched+report.Written != 0 || p.Kept != int64(len(want)) {
		t.Errorf("once more: %+v, %+v, %v", p, report, err)
	}
}

func noise(seed uint64, size int) []byte {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte(bytes.Repeat(binary.LittleEndian.AppendUint64(nil, seed), 4))).Read(data) // it never fails
	return data
}

// Whatever the write at which the power goes, the next run goes on, and fetches no more than is missing.
func TestPowerGoesAtEveryWrite(t *testing.T) {
	old := content(7, 700_000)
	want := append(noise(9, 1_200_000), old...)
	copy(want[1_400_000:], noise(10, 200_000))
	want = append(want, want[100_000:300_000]...) // chunks that are there twice
	index, blocks := build(t, want)
	for cut := 0; ; cut++ {
		place := newSlot(noise(11, len(want)))
		place.writes = cut
		_, first, err := update(t.Context(), index, place, newSlot(old), &server{file: blocks})
		if err == nil {
			if cut < 3 {
				t.Errorf("only %d writes", cut)
			}
			return
		}
		if !errors.Is(err, errPower) {
			t.Fatal(err)
		}
		place.writes = -1
		_, second, err := update(t.Context(), index, place, newSlot(old), &server{file: blocks})
		if err != nil || !bytes.Equal(place.data, want) {
			t.Fatalf("cut at write %d: %v", cut, err)
		}
		// What a run had in memory, not yet written, is lost with it.
		if all := int64(len(blocks)); first.Fetched+second.Fetched > all+mostPending+inMemory*longestSpan {
			t.Errorf("cut at write %d: fetched %d and %d of %d", cut, first.Fetched, second.Fetched, all)
		}
	}
}

func TestRunningImageIsDamaged(t *testing.T) {
	old := content(7, 4_000_000)
	want := append([]byte("new"), old...)
	index, blocks := build(t, want)
	damage := map[string]func(*slot){
		"other bytes":       func(s *slot) { copy(s.data[1_000_000:], noise(1, 100_000)) },
		"sectors":           func(s *slot) { s.bad = func(at int64) bool { return at>>12 == 600 } },
		"nothing is left":   func(s *slot) { s.data = nil },
		"a shorter image":   func(s *slot) { s.data = s.data[:2_500_000] },
		"the first sectors": func(s *slot) { s.bad = func(at int64) bool { return at < 4096 } },
	}
	for name, act := range damage {
		running, place := newSlot(bytes.Clone(old)), newSlot(make([]byte, len(want)))
		act(running)
		if _, _, err := update(t.Context(), index, place, running, &server{file: blocks}); err != nil || !bytes.Equal(place.data, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What was there when the plan was made need not be there any more.
func TestDamageAfterThePlan(t *testing.T) {
	old := content(7, 3_000_000)
	want := append([]byte("new"), append(old, old[:500_000]...)...)
	index, blocks := build(t, want)
	x := parse(t, index)
	running, place := newSlot(bytes.Clone(old)), newSlot(make([]byte, len(want)))
	p, err := x.Plan(t.Context(), place.reader(), running.reader(), nil)
	if err != nil {
		t.Fatal(err)
	}
	copy(running.data[1_000_000:], noise(1, 100_000))
	place.bad = func(at int64) bool { return place.made < 3 && at>>12 == 20 } // an earlier chunk, while assembling
	web := &server{file: blocks}
	report, err := p.Assemble(t.Context(), place, running, web, nil)
	if err != nil || !bytes.Equal(place.data, want) {
		t.Fatal(err)
	}
	if report.Fetched <= p.Fetch || web.asked != report.Fetched {
		t.Errorf("planned %d, fetched %d, asked for %d", p.Fetch, report.Fetched, web.asked)
	}
}

func TestAssembleFails(t *testing.T) {
	image := noise(5, 3_000_000)
	index, blocks := build(t, image)
	spoiled := bytes.Clone(blocks)
	spoiled[2_000_000] ^= 1
	text := bytes.Repeat([]byte("compressible "), 100_000)
	packedIndex, packed := build(t, text)
	bomb := bytes.Clone(packed)
	for i := range bomb {
		bomb[i] ^= 0x55
	}
	lying := bytes.Clone(index)
	lying[len(magic)+8] ^= 1 // the SHA-256 of the whole
	tests := []struct {
		name   string
		index  []byte
		place  *slot
		blocks *server
		want   string
	}{
		{"network", index, newSlot(make([]byte, len(image))), &server{file: blocks, fail: 2}, "no answer"},
		{"spoiled", index, newSlot(make([]byte, len(image))), &server{file: spoiled}, "a fetched chunk is not what the index says: at "},
		{"no zstd", packedIndex, newSlot(make([]byte, len(text))), &server{file: bomb}, "a fetched chunk is not what the index says: "},
		{"cut off", index, newSlot(make([]byte, len(image))), &server{file: blocks[:2_000_000]}, "unexpected EOF"},
		{"lying", lying, newSlot(make([]byte, len(image))), &server{file: blocks}, "what is read back from the disk is not the image"},
		{"loses", index, &slot{data: make([]byte, len(image)), writes: -1, lost: true}, &server{file: blocks}, "what is read back from the disk is not the image"},
		{"power", index, &slot{data: make([]byte, len(image)), writes: 1}, &server{file: blocks}, "write at "},
	}
	for _, test := range tests {
		_, _, err := update(t.Context(), test.index, test.place, newSlot(nil), test.blocks)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", test.name, err, test.want)
		}
	}
}

// A chunk that unpacks to more than it should is refused before it is unpacked.
func TestBomb(t *testing.T) {
	index, blocks := build(t, make([]byte, mostChunk))
	x := parse(t, index)
	if x.chunks[0].packed >= 1000 {
		t.Fatalf("%+v", x.chunks)
	}
	f, err := newFetcher(&server{file: blocks}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	c := x.chunks[0]
	if _, err := f.open(c, blocks[:c.packed]); err != nil {
		t.Error(err)
	}
	f2, big := f.unpack, bytes.Repeat(make([]byte, 1<<20), 4)
	packed := packZstd(t, big)
	if _, err := f2.DecodeAll(packed, nil); err == nil {
		t.Error("4 MiB were unpacked")
	}
}

func TestCancelled(t *testing.T) {
	image := noise(5, 3_000_000)
	index, blocks := build(t, image)
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	place, empty := newSlot(make([]byte, len(image))), newSlot(nil)
	p, err := parse(t, index).Plan(ctx, place.reader(), empty.reader(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Assemble(ctx, place, empty, &server{file: blocks}, func(Progress) { cancel(stop) })
	if !errors.Is(err, stop) {
		t.Errorf("assemble: %v", err)
	}
	if _, err := parse(t, index).Plan(ctx, place.reader(), empty.reader(), nil); !errors.Is(err, stop) {
		t.Errorf("plan: %v", err)
	}
}

func TestProgress(t *testing.T) {
	image := noise(5, 3_000_000)
	index, blocks := build(t, image)
	last := map[Phase]Progress{}
	note := func(p Progress) { last[p.Phase] = p }
	place, empty := newSlot(make([]byte, len(image))), newSlot(nil)
	p, err := parse(t, index).Plan(t.Context(), place.reader(), empty.reader(), note)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Assemble(t.Context(), place, empty, &server{file: blocks}, note); err != nil {
		t.Fatal(err)
	}
	if l := last[Looking]; l.Total != 3_000_000 || l.Done < 2<<20 {
		t.Errorf("looking: %+v", l)
	}
	if l := last[Assembling]; l.Done != 3_000_000 || l.Fetched != int64(len(blocks)) {
		t.Errorf("assembling: %+v", l)
	}
	if l := last[Proving]; l != (Progress{Proving, 3_000_000, 3_000_000, int64(len(blocks)), 3_000_000}) {
		t.Errorf("proving: %+v", l)
	}
}

// An index that lies about the size of a chunk must not have anything written
// behind the image, whose neighbour in a partition may be a hash tree.
func TestIndexLiesAboutSizes(t *testing.T) {
	data := noise(7, usualChunk)
	s := sumOf(data)
	for _, packed := range [][]byte{data, packZstd(t, bytes.Repeat([]byte("lie "), usualChunk/4))} {
		if len(packed) < len(data) {
			s = sumOf(bytes.Repeat([]byte("lie "), usualChunk/4))
		}
		states := max(leastChunk, len(packed)+1) // what the index says that the chunk has
		if len(packed) == len(data) {
			states = len(data) + 1
		}
		index := forged(uint64(states), uint64(len(packed)), 1, len(packed), states, string(s[:]))
		place := newSlot(make([]byte, 2*usualChunk))
		_, report, err := update(context.Background(), index, place, newSlot(nil), &server{file: packed})
		if !errors.Is(err, ErrChunk) || report.Written != 0 {
			t.Errorf("%d bytes were written, %v", report.Written, err)
		}
	}
}
