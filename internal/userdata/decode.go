package userdata

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
)

// Magic numbers that documents may begin with.
var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
	byteOrder = []byte{0xef, 0xbb, 0xbf} // of UTF-8, which needs none
)

// Decode turns a document as it arrived into the text of it: it decompresses
// gzip and zstd, once, removes a byte order mark and insists on UTF-8.
func Decode(raw []byte) ([]byte, error) {
	if len(raw) > MaxRaw {
		return nil, tooLarge(len(raw), MaxRaw)
	}
	text, err := decompress(raw)
	if err != nil {
		return nil, err
	}
	text = bytes.TrimPrefix(text, byteOrder)
	if at := invalidUTF8(text); at >= 0 {
		line, column := position(text, at)
		return nil, &Fault{
			Message: "stream did not contain valid UTF-8", Line: line, Column: column,
			Hint: "user data is UTF-8 text, at most compressed once with gzip or zstd",
		}
	}
	return text, nil
}

func tooLarge(got, limit int) error {
	return &Fault{
		Message: fmt.Sprintf("it has %d bytes; at most %d are read", got, limit),
		Hint:    "what is larger belongs elsewhere; settings can name a URL or a container's own data",
	}
}

func decompress(raw []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(raw, gzipMagic):
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return nil, compressed("gzip", err)
		}
		text, err := bounded(z, len(raw))
		return text, compressed("gzip", err)
	case bytes.HasPrefix(raw, zstdMagic):
		z, err := zstd.NewReader(bytes.NewReader(raw), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, compressed("zstd", err)
		}
		defer z.Close()
		text, err := bounded(z, len(raw))
		return text, compressed("zstd", err)
	}
	return raw, nil
}

// bounded reads all of r, as long as it stays within the limits for what
// compressed bytes may hold. It stops as soon as one is exceeded.
func bounded(r io.Reader, packed int) ([]byte, error) {
	limit := min(MaxText, max(ratioFree, packed*maxRatio))
	text, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > limit:
		return nil, &Fault{
			Message: fmt.Sprintf("its %d bytes are more than %d once decompressed", packed, limit),
			Hint:    tooMuch,
		}
	}
	return text, nil
}

func compressed(format string, err error) error {
	if f := new(Fault); err == nil || errors.As(err, &f) {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return &Fault{Message: fmt.Sprintf("decompress %s: unexpected end of file", format), Hint: "it is cut short; was it stored whole?"}
	}
	return &Fault{Message: fmt.Sprintf("decompress %s: %v", format, err), Hint: "it is damaged; compress it again"}
}

// invalidUTF8 is where the first byte that is no UTF-8 stands, or -1.
func invalidUTF8(text []byte) int {
	if utf8.Valid(text) {
		return -1
	}
	at := 0
	for at < len(text) {
		r, n := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && n <= 1 {
			return at
		}
		at += n
	}
	return -1
}

// position is the line and, in characters, the column of an offset, both from 1.
func position(text []byte, offset int) (line, column int) {
	before := text[:min(offset, len(text))]
	line = 1 + bytes.Count(before, []byte{'\n'})
	column = 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return line, column
}
