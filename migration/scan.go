package migration

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// scanner walks over the tokens of a JSON text once and copies none of them.
// It finds where a value ends and sees whether it is right where that shows at
// a glance; all else it lets package jsontext judge.
type scanner struct {
	text []byte
	at   int      // what comes before was read
	path []string // the members that it is in, for messages
}

// next is the first byte of the next token; 0 at the end, and where there is no text.
func (s *scanner) next() byte {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return c
		}
	}
	return 0
}

// take passes over a token of one byte, if it is the next.
func (s *scanner) take(token byte) bool {
	if s.next() != token || s.at == len(s.text) {
		return false
	}
	s.at++
	return true
}

// value returns the text of the next value as it stands.
func (s *scanner) value() ([]byte, error) {
	s.next()
	size, sure := measure(s.text[s.at:])
	if size == 0 {
		return nil, s.unexpected("a value")
	}
	text := s.text[s.at : s.at+size : s.at+size]
	if !sure {
		if err := check(text); err != nil {
			return nil, s.failed(err)
		}
	}
	s.at += size
	return text, nil
}

// name returns the text of the next member's name, with its quotes, and passes over the colon.
func (s *scanner) name() ([]byte, error) {
	if s.next() != '"' {
		return nil, s.unexpected("a name")
	}
	name, err := s.value()
	if err == nil && !s.take(':') {
		err = s.unexpected("a colon")
	}
	return name, err
}

// members calls fn with the name of each member of an object; fn reads the
// value, and sees to it that no name is there twice.
func (s *scanner) members(fn func(name []byte) error) error {
	if !s.take('{') {
		return s.unexpected("an object")
	}
	if s.take('}') {
		return nil
	}
	for range MaxKeys {
		name, err := s.name()
		if err == nil {
			err = fn(name)
		}
		if err != nil || s.take('}') {
			return err
		}
		if !s.take(',') {
			return s.unexpected("a comma or the end of the object")
		}
	}
	return s.failed(fmt.Errorf("there are more than %d members", MaxKeys))
}

// unexpected says what was found at the scanner's place instead of what was
// wanted. A value itself is not told: it may be secret.
func (s *scanner) unexpected(wanted string) error {
	s.next()
	if s.at == len(s.text) {
		return errors.New("it ends too early")
	}
	return s.failed(fmt.Errorf("expected %s, found %s", wanted, jsontext.Value(s.text[s.at:]).Kind()))
}

// failed adds to an error where it is.
func (s *scanner) failed(err error) error {
	if len(s.path) == 0 {
		return fmt.Errorf("the whole: %w", err)
	}
	return fmt.Errorf("/%s: %w", strings.Join(s.path, "/"), err)
}

// check lets jsontext judge a value: it may also have a name twice.
func check(text []byte) error {
	if jsontext.Value(text).IsValid() {
		return nil
	}
	_, err := jsontext.NewDecoder(bytes.NewReader(text)).ReadValue()
	switch {
	case err == nil:
		return errors.New("it is no value")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it ends too early")
	case errors.Is(err, jsontext.ErrDuplicateName):
		return jsontext.ErrDuplicateName
	}
	return err
}

// measure returns how long the value is that text begins with, and whether it
// surely is one. Where it is none, or ends too early, the length does not matter.
func measure(text []byte) (size int, sure bool) {
	if len(text) == 0 {
		return 0, false
	}
	switch text[0] {
	case '"':
		return measureString(text)
	case '{', '[':
		return measureNested(text), false
	}
	return measureWord(text)
}

// measureString is measure for strings: sure of those in ASCII that have no
// other escapes than quotes.
func measureString(text []byte) (size int, sure bool) {
	sure = true
	for i := 1; i < len(text); i++ {
		i += plain(text[i:])
		switch {
		case i == len(text):
			return i, false
		case text[i] == '"':
			return i + 1, sure
		case text[i] == '\\':
			i++ // over what it escapes
			sure = sure && i < len(text) && text[i] == '"'
		default:
			sure = false
		}
	}
	return len(text), false
}

// plain is how many bytes of a string come before one that must be looked at:
// a quote, a backslash, a control character or what is not ASCII. It looks at
// eight at once. Whatever has such a byte there gives the mask its highest bit;
// the lowest bit that is set is right, those above it may come from a borrow.
func plain(text []byte) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; len(text)-n >= 8; n += 8 {
		w := binary.LittleEndian.Uint64(text[n:])
		quote, backslash := w^ones*'"', w^ones*'\\'
		mask := (w | (w-ones*' ')&^w | (quote-ones)&^quote | (backslash-ones)&^backslash) & high
		if mask != 0 {
			return n + bits.TrailingZeros64(mask)/8
		}
	}
	for n < len(text) && ' ' <= text[n] && text[n] < 0x80 && text[n] != '"' && text[n] != '\\' {
		n++
	}
	return n
}

// measureNested goes to the bracket that closes the first one, of whatever kind it is.
func measureNested(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			size, _ := measureString(text[i:])
			i += size - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}

// measureWord is measure for numbers and names of values: sure of the usual ones.
func measureWord(text []byte) (size int, sure bool) {
	digits := true
	for size < len(text) && !endsWord(text[size]) {
		digits = digits && '0' <= text[size] && text[size] <= '9'
		size++
	}
	switch word := text[:size]; {
	case digits:
		return size, size == 1 || size > 1 && word[0] != '0'
	default:
		return size, string(word) == "true" || string(word) == "false" || string(word) == "null"
	}
}

func endsWord(c byte) bool {
	switch c {
	case ',', ':', '"', '{', '}', '[', ']', ' ', '\t', '\r', '\n':
		return true
	}
	return false
}

// arena keeps many short strings in a few pieces of memory.
type arena struct{ piece strings.Builder }

const arenaPiece = 256 << 10 // bytes

// unquote returns what a JSON string says that was found right.
func (a *arena) unquote(quoted []byte) string {
	if a.piece.Cap()-a.piece.Len() < len(quoted) {
		a.piece.Reset()
		a.piece.Grow(max(arenaPiece, len(quoted)))
	}
	start := a.piece.Len()
	for text := quoted[1 : len(quoted)-1]; ; {
		i := bytes.IndexByte(text, '\\')
		if i < 0 {
			a.piece.Write(text)
			return a.piece.String()[start:]
		}
		if text[i+1] != '"' {
			return unquote(quoted)
		}
		a.piece.Write(text[:i])
		a.piece.WriteByte('"')
		text = text[i+2:]
	}
}

// unquote returns what any JSON string says that was found right.
func unquote(quoted []byte) string {
	text, err := jsontext.AppendUnquote(nil, quoted)
	if err != nil {
		return "" // not reached
	}
	return string(text)
}
