package gpt

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// GUID is a globally unique identifier as it lies on the disk: the first three
// fields of its text are little-endian.
type GUID [16]byte

// ParseGUID parses the text form, 8-4-4-4-12 hexadecimal digits of either case.
func ParseGUID(text string) (GUID, error) {
	var g GUID
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return g, fmt.Errorf("parse GUID %q: want the form 01234567-89ab-cdef-0123-456789abcdef", text)
	}
	digits := text[:8] + text[9:13] + text[14:18] + text[19:23] + text[24:]
	if _, err := hex.Decode(g[:], []byte(digits)); err != nil {
		return GUID{}, fmt.Errorf("parse GUID %q: %w", text, err)
	}
	return g.swapped(), nil
}

// MustParseGUID is [ParseGUID] for constants: it panics on an error.
func MustParseGUID(text string) GUID {
	g, err := ParseGUID(text)
	if err != nil {
		panic(err)
	}
	return g
}

// NewGUID returns a random GUID (version 4).
func NewGUID() GUID {
	var g GUID
	rand.Read(g[:]) // never fails
	g[6] = g[6]&0x0f | 0x40
	g[8] = g[8]&0x3f | 0x80
	return g.swapped()
}

// IsZero tells whether g is all zeros: as a type, it marks an unused entry.
func (g GUID) IsZero() bool { return g == GUID{} }

// String is the text form in lower case.
func (g GUID) String() string {
	t := g.swapped()
	return fmt.Sprintf("%x-%x-%x-%x-%x", t[:4], t[4:6], t[6:8], t[8:10], t[10:])
}

// swapped turns the order of the text into that of the disk, and back.
func (g GUID) swapped() GUID {
	binary.BigEndian.PutUint32(g[0:], binary.LittleEndian.Uint32(g[0:]))
	binary.BigEndian.PutUint16(g[4:], binary.LittleEndian.Uint16(g[4:]))
	binary.BigEndian.PutUint16(g[6:], binary.LittleEndian.Uint16(g[6:]))
	return g
}
