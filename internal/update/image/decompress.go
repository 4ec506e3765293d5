package image

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Format is how an image is compressed.
type Format string

// The formats.
const (
	LZ4  Format = "lz4"
	Zstd Format = "zstd"
)

// maxWindow bounds what zstd must remember, in bytes: images packed with up to
// level 19, or --long=24, can be read.
const maxWindow = 16 << 20

// ErrFormat is returned for a source that is no lz4 frame and no zstd frame.
var ErrFormat = errors.New("neither an lz4 nor a zstd image")

const (
	magicLZ4  = 0x184d2204
	magicZstd = 0xfd2fb528
	// The lowest four bits of these are free, in both formats.
	magicSkippable = 0x184d2a50
)

// source remembers its error, which decompressors hide or reword, and counts.
type source struct {
	r    io.Reader
	read int64
	err  error // not io.EOF
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.read += int64(n)
	if err != nil && err != io.EOF && s.err == nil {
		s.err = err
	}
	return n, err
}

// decompressor reads an image from a source.
type decompressor struct {
	Format
	source *source
	size   int64 // of the image, if its first frame says it; otherwise 0
	raw    *bufio.Reader
	plain  io.Reader
	close  func()
}

func decompress(r io.Reader) (*decompressor, error) {
	d := &decompressor{source: &source{r: r}, close: func() {}}
	d.raw = bufio.NewReaderSize(d.source, 256<<10)
	head, err := d.raw.Peek(4)
	if d.source.err != nil {
		return nil, d.source.err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrFormat, len(head))
	}
	d.size = statedSize(d.raw)
	switch magic := binary.LittleEndian.Uint32(head); {
	case magic == magicZstd:
		d.Format = Zstd
		err = d.zstd()
	case magic == magicLZ4, magic&^15 == magicSkippable:
		d.Format = LZ4
		err = d.lz4()
	default:
		err = fmt.Errorf("%w: it begins with %x", ErrFormat, head)
	}
	return d, err
}

// statedSize is the size in bytes that the header of the first frame states; 0 if it does not.
func statedSize(r *bufio.Reader) int64 {
	head, _ := r.Peek(zstd.HeaderMaxSize)
	const hasSize, sizeAt = 1 << 3, 6
	if len(head) >= sizeAt+8 && binary.LittleEndian.Uint32(head) == magicLZ4 {
		if head[4]&hasSize == 0 {
			return 0
		}
		return int64(binary.LittleEndian.Uint64(head[sizeAt:]) & math.MaxInt64)
	}
	var h zstd.Header
	if err := h.Decode(head); err != nil || !h.HasFCS {
		return 0
	}
	return int64(h.FrameContentSize & math.MaxInt64)
}

func (d *decompressor) lz4() error {
	r := lz4.NewReader(d.raw)
	d.plain = r
	// The pipeline of Write is all the concurrency there is; more would cost memory.
	return r.Apply(lz4.ConcurrencyOption(1))
}

func (d *decompressor) zstd() error {
	r, err := zstd.NewReader(d.raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return err
	}
	d.plain, d.close = r, r.Close
	return nil
}

// next fills a block. At the image's end it returns fewer bytes and io.EOF,
// after the source has been read to its end.
func (d *decompressor) next(block []byte) (n int, err error) {
	for n < len(block) && err == nil {
		var m int
		m, err = d.plain.Read(block[n:])
		n += m
	}
	switch {
	case d.source.err != nil:
		return n, d.source.err
	case err == io.EOF:
		return n, d.drain()
	case err != nil:
		return n, fmt.Errorf("decompress %s: %w", d.Format, err)
	}
	return n, nil
}

// drain reads what the decompressor has left of the source, so that the source sees its end.
func (d *decompressor) drain() error {
	_, err := io.Copy(io.Discard, d.raw)
	if d.source.err != nil {
		return d.source.err
	}
	if err != nil {
		return err
	}
	return io.EOF
}
