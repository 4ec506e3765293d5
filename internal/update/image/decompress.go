package image

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/klauspost/compress/zstd"
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
	plain  io.Reader
	lz4    *frames // nil: another format
	close  func()
}

func decompress(r io.Reader) (*decompressor, error) {
	d := &decompressor{source: &source{r: r}, close: func() {}}
	head := make([]byte, 4)
	n, err := io.ReadFull(d.source, head)
	switch {
	case d.source.err != nil:
		return nil, d.source.err
	case err != nil:
		return nil, fmt.Errorf("%w: it has %d bytes", ErrFormat, n)
	}
	whole := io.MultiReader(bytes.NewReader(head), d.source)
	switch magic := binary.LittleEndian.Uint32(head); {
	case magic == magicZstd:
		return d, d.zstd(whole)
	case magic == magicLZ4, magic&^15 == magicSkippable:
		d.lz4 = &frames{source: whole}
		d.Format, d.plain = LZ4, d.lz4
		return d, d.stated()
	}
	return d, fmt.Errorf("%w: it begins with %x", ErrFormat, head)
}

// stated reads the header of the first frame for the size that it states.
func (d *decompressor) stated() error {
	for !d.lz4.Open {
		if err := d.lz4.header(); err == io.EOF {
			return nil
		} else if err != nil {
			return d.because(err)
		}
	}
	d.size = max(0, d.lz4.Left)
	return nil
}

func (d *decompressor) zstd(whole io.Reader) error {
	raw := bufio.NewReaderSize(whole, 256<<10)
	head, _ := raw.Peek(zstd.HeaderMaxSize)
	var h zstd.Header
	if err := h.Decode(head); err == nil && h.HasFCS {
		d.size = int64(h.FrameContentSize & math.MaxInt64)
	}
	r, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return err
	}
	d.Format, d.plain, d.close = Zstd, r, r.Close
	return nil
}

// next fills a block. At the image's end, which is that of the source, it
// returns fewer bytes and io.EOF.
func (d *decompressor) next(block []byte) (n int, err error) {
	for n < len(block) && err == nil {
		var m int
		m, err = d.plain.Read(block[n:])
		n += m
	}
	if err == io.EOF && d.source.err == nil {
		return n, d.drain()
	}
	if err != nil {
		err = d.because(err)
	}
	return n, err
}

// because prefers the source's own error to what a decompressor makes of it.
func (d *decompressor) because(err error) error {
	if d.source.err != nil {
		return d.source.err
	}
	return fmt.Errorf("decompress %s: %w", d.Format, err)
}

// drain makes sure that the source has come to its end: it may have something to say there.
func (d *decompressor) drain() error {
	_, err := io.Copy(io.Discard, d.source)
	if err == nil {
		err = io.EOF
	}
	return err
}
