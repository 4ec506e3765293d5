package delta

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Build reads an uncompressed image to its end, and writes its index and its
// blocks. The same image gives the same bytes. It needs memory for the index:
// about 1.5 MiB for each GiB of the image. What was written is worthless if it fails.
func Build(ctx context.Context, image io.Reader, index, blocks io.Writer) error {
	pack, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(mostChunk), zstd.WithEncoderCRC(false))
	if err != nil {
		return err
	}
	defer pack.Close()
	whole := sha256.New()
	b := &builder{blocks: blocks, pack: pack, whole: whole, first: map[sum]uint32{}}
	chunks := newCutter(io.TeeReader(image, whole))
	for {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		chunk, err := chunks.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("read image: %w", err)
		}
		if err := b.add(chunk); err != nil {
			return err
		}
	}
	return b.writeIndex(index)
}

// builder is one call of Build.
type builder struct {
	blocks  io.Writer
	pack    *zstd.Encoder
	packed  []byte
	whole   hash.Hash
	size    int64
	written int64 // bytes of the blocks
	count   uint32
	first   map[sum]uint32 // the first chunk of that content
	entries bytes.Buffer
}

func (b *builder) add(chunk []byte) error {
	if b.count == mostChunks {
		return fmt.Errorf("%w: more than %d", ErrTooManyChunks, mostChunks)
	}
	defer func() { b.count++; b.size += int64(len(chunk)) }()
	s := sumOf(chunk)
	if first, again := b.first[s]; again {
		b.entry(0, uint64(b.count-first))
		return nil
	}
	b.first[s] = b.count
	b.packed = b.pack.EncodeAll(chunk, b.packed[:0])
	stored := b.packed
	if len(stored) >= len(chunk) {
		stored = chunk
	}
	b.entry(uint64(len(stored)), uint64(len(chunk)))
	b.entries.Write(s[:])
	b.written += int64(len(stored))
	if _, err := b.blocks.Write(stored); err != nil {
		return fmt.Errorf("write blocks: %w", err)
	}
	return nil
}

func (b *builder) entry(numbers ...uint64) {
	for _, n := range numbers {
		b.entries.Write(binary.AppendUvarint(nil, n))
	}
}

func (b *builder) writeIndex(w io.Writer) error {
	if b.size == 0 {
		return errors.New("the image is empty")
	}
	header := append(make([]byte, 0, headerSize), magic...)
	header = binary.LittleEndian.AppendUint64(header, uint64(b.size))
	header = b.whole.Sum(header)
	header = binary.LittleEndian.AppendUint64(header, uint64(b.written))
	header = binary.LittleEndian.AppendUint32(header, b.count)
	for _, part := range [][]byte{header, b.entries.Bytes()} {
		if _, err := w.Write(part); err != nil {
			return fmt.Errorf("write index: %w", err)
		}
	}
	return nil
}
