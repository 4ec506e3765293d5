package delta

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Index tells of which chunks an image consists.
type Index struct {
	Size       int64             // of the image in bytes
	SHA256     [sha256.Size]byte // of the image
	BlocksSize int64             // of the blocks file in bytes

	chunks []chunk
}

// chunk is one of an image's.
type chunk struct {
	sum    sum
	size   uint32 // bytes
	packed uint32 // bytes in the blocks file; 0: the same as an earlier chunk
	at     int64  // in the image
	block  int64  // where its bytes begin in the blocks file; if packed is 0: the earlier chunk's place in the list
}

// ErrIndex is returned for what is no index, or one of a later version.
var ErrIndex = errors.New("read block index")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrIndex, fmt.Errorf(format, args...))
}

// ReadIndex reads an index to its end. It takes memory in proportion to what it
// has read, and never more than for a full index. Errors of r are returned as they are.
func ReadIndex(r io.Reader) (*Index, error) {
	p := &parser{r: bufio.NewReaderSize(io.LimitReader(r, MaxIndexSize+1), 64<<10), x: &Index{}}
	count, err := p.header()
	if err != nil {
		return nil, err
	}
	var size, blocks int64
	for i := range count {
		c, err := p.chunk(i)
		if err != nil {
			return nil, p.because(i, err)
		}
		c.at = size
		size += int64(c.size)
		if c.packed > 0 {
			c.block = blocks
			blocks += int64(c.packed)
		}
		p.x.chunks = append(p.x.chunks, c)
	}
	if size != p.x.Size || blocks != p.x.BlocksSize {
		return nil, malformed("its chunks have %d bytes, %d in the blocks file; it states %d and %d", size, blocks, p.x.Size, p.x.BlocksSize)
	}
	return p.x, p.end()
}

type parser struct {
	r *bufio.Reader
	x *Index
}

func (p *parser) header() (count uint32, err error) {
	head := make([]byte, headerSize)
	if _, err := io.ReadFull(p.r, head); err != nil {
		return 0, p.because(0, err)
	}
	if got := string(head[:len(magic)]); got != magic {
		return 0, malformed("it begins with %q, expected %q", got, magic)
	}
	rest := head[len(magic):]
	size, rest := binary.LittleEndian.Uint64(rest), rest[8:]
	p.x.SHA256, rest = [sha256.Size]byte(rest), rest[sha256.Size:]
	blocks, rest := binary.LittleEndian.Uint64(rest), rest[8:]
	count = binary.LittleEndian.Uint32(rest)
	switch {
	case count == 0 || count > mostChunks:
		return 0, malformed("it states %d chunks, expected 1 to %d", count, mostChunks)
	case size > uint64(count)*mostChunk || blocks > size:
		return 0, malformed("it states %d bytes, %d in the blocks file, which %d chunks cannot have", size, blocks, count)
	}
	p.x.Size, p.x.BlocksSize = int64(size), int64(blocks)
	return count, nil
}

var errChunk = errors.New("a number is out of range")

func (p *parser) chunk(i uint32) (c chunk, err error) {
	packed, err := p.number()
	if err != nil {
		return c, err
	}
	n, err := p.number()
	if err != nil {
		return c, err
	}
	if packed == 0 {
		if n == 0 || n > i {
			return c, errChunk
		}
		first := i - n
		c = p.x.chunks[first]
		if c.packed == 0 {
			return c, errChunk
		}
		c.packed, c.block = 0, int64(first)
		return c, nil
	}
	if n == 0 || n > mostChunk || packed > n {
		return c, errChunk
	}
	c.size, c.packed = n, packed
	_, err = io.ReadFull(p.r, c.sum[:])
	return c, err
}

// number reads a varint of at most three bytes, which is enough for all.
func (p *parser) number() (n uint32, err error) {
	for shift := 0; shift < 21; shift += 7 {
		b, err := p.r.ReadByte()
		if err != nil {
			return 0, err
		}
		n |= uint32(b&0x7f) << shift
		if b < 0x80 {
			return n, nil
		}
	}
	return 0, errChunk
}

// because tells malformed content from a source that failed.
func (p *parser) because(i uint32, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return malformed("it ends in the midst, at chunk %d", i)
	}
	if errors.Is(err, errChunk) {
		return malformed("chunk %d: %w", i, err)
	}
	return err
}

// end makes sure that nothing follows, which also asks a source that verifies itself at its end.
func (p *parser) end() error {
	_, err := p.r.ReadByte()
	switch err {
	case io.EOF:
		return nil
	case nil:
		return malformed("more bytes follow than its %d chunks have", len(p.x.chunks))
	}
	return err
}
