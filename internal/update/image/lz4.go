package image

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/pierrec/lz4/v4"
)

// Frame is what must be known of an lz4 frame to read on in the midst of it.
type Frame struct {
	Open  bool  `json:"open"`  // its header has been read, its end mark not
	Flags byte  `json:"flags"` // as in its header
	Most  int   `json:"most"`  // bytes that a block has at most
	Left  int64 `json:"left"`  // bytes of content that are still to come; -1: the header does not say
}

// Flags of a frame's header.
const (
	versionMask     = 3 << 6
	version1        = 1 << 6
	independent     = 1 << 5
	blockChecksum   = 1 << 4
	contentSize     = 1 << 3
	contentChecksum = 1 << 2
	dictionaryID    = 1 << 0
)

// mostBlock are the sizes of blocks by the number in a frame's header.
var mostBlock = map[byte]int{4: 64 << 10, 5: 256 << 10, 6: 1 << 20, 7: 4 << 20}

// dictionary is what a block may refer to of the bytes before it.
const dictionary = 64 << 10

// frames decompresses lz4 frames block by block. It reads nothing of the source
// ahead of its need, so that between two blocks the source stands right behind
// the first. The format's checksums are passed over: whoever gives a source proves it by more.
type frames struct {
	source io.Reader
	Frame
	packed []byte
	window []byte // the dictionary, then a block
	before int    // bytes of the dictionary that are there
	size   int    // of the block
	plain  []byte // of the block: what has not been handed out
	number [8]byte
}

// between tells whether all that was decompressed has been handed out.
func (f *frames) between() bool { return len(f.plain) == 0 }

// Read implements io.Reader.
func (f *frames) Read(p []byte) (int, error) {
	for len(f.plain) == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.plain)
	f.plain = f.plain[n:]
	return n, nil
}

// next reads a block, or what is between blocks. At the source's end the error is io.EOF.
func (f *frames) next() error {
	if !f.Open {
		return f.header()
	}
	size, err := f.uint(4)
	if err != nil {
		return midst(err)
	}
	if size == 0 {
		return f.end()
	}
	const stored = 1 << 31
	n := int(size &^ stored)
	if n > f.Most {
		return fmt.Errorf("a block of %d bytes in a frame with at most %d", n, f.Most)
	}
	sum := 0
	if f.Flags&blockChecksum != 0 {
		sum = 4
	}
	if _, err := io.ReadFull(f.source, f.packed[:n+sum]); err != nil {
		return midst(err)
	}
	return f.unpack(f.packed[:n], size&stored != 0)
}

// midst makes the source's end an error.
func midst(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (f *frames) uint(size int) (uint64, error) {
	clear(f.number[:])
	_, err := io.ReadFull(f.source, f.number[:size])
	return binary.LittleEndian.Uint64(f.number[:]), err
}

// unpack decompresses a block behind what it may refer to.
func (f *frames) unpack(packed []byte, stored bool) (err error) {
	room := f.window[dictionary:]
	n := 0
	switch {
	case stored:
		f.remember()
		n = copy(room, packed)
	case f.Flags&independent != 0:
		n, err = lz4.UncompressBlock(packed, room)
	default:
		f.remember()
		n, err = lz4.UncompressBlockWithDict(packed, room, f.window[dictionary-f.before:dictionary])
	}
	if err != nil {
		return err
	}
	if f.Left >= 0 {
		if f.Left -= int64(n); f.Left < 0 {
			return errContent
		}
	}
	f.size, f.plain = n, room[:n]
	return nil
}

var errContent = errors.New("a frame has not as much content as it states")

// remember makes the end of the last block what the next may refer to.
func (f *frames) remember() {
	before, end := min(dictionary, f.before+f.size), dictionary+f.size
	copy(f.window[dictionary-before:dictionary], f.window[end-before:end])
	f.before, f.size = before, 0
}

// end reads what is behind a frame's end mark.
func (f *frames) end() error {
	if f.Left > 0 {
		return errContent
	}
	f.Open = false
	if f.Flags&contentChecksum == 0 {
		return nil
	}
	_, err := f.uint(4)
	return midst(err)
}

// header begins a frame, or passes one over that is to be skipped.
func (f *frames) header() error {
	magic, err := f.uint(4)
	if err != nil {
		return err
	}
	switch {
	case magic&^15 == magicSkippable:
		return f.skip()
	case magic != magicLZ4:
		return fmt.Errorf("something else follows: %x", f.number[:4])
	}
	head, err := f.uint(2)
	if err != nil {
		return midst(err)
	}
	next := Frame{Open: true, Flags: byte(head), Most: mostBlock[byte(head>>12)], Left: -1}
	if next.Flags&versionMask != version1 || next.Flags&dictionaryID != 0 || next.Most == 0 {
		return fmt.Errorf("a frame of a kind that is not known: %x", f.number[:2])
	}
	if next.Flags&contentSize != 0 {
		size, err := f.uint(8)
		if err != nil {
			return midst(err)
		}
		next.Left = int64(size & math.MaxInt64)
	}
	if _, err := f.uint(1); err != nil { // checksum of the header
		return midst(err)
	}
	f.begin(next)
	return nil
}

// begin makes room for the blocks of a frame.
func (f *frames) begin(next Frame) {
	if next.Most+4 > len(f.packed) {
		f.packed, f.window = make([]byte, next.Most+4), make([]byte, dictionary+next.Most)
	}
	f.Frame, f.before, f.size = next, 0, 0
}

func (f *frames) skip() error {
	size, err := f.uint(4)
	if err == nil {
		_, err = io.CopyN(io.Discard, f.source, int64(size))
	}
	return midst(err)
}

// goOn makes frames go on behind a block, of which before is what came before.
func goOn(source io.Reader, frame Frame, before []byte) *frames {
	f := &frames{source: source}
	f.begin(frame)
	f.before = copy(f.window[dictionary-len(before):dictionary], before)
	return f
}
