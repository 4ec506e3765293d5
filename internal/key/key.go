// Package key implements the dotted names of settings, services,
// configuration files and their metadata.
//
// A key is a sequence of segments joined with dots. A segment that holds a
// dot itself is written in double quotes: settings.kernel.sysctl."vm.swappiness".
// Start with [Parse] for text from outside and [FromSegments] for names taken
// from a document. A [Key] is always in canonical form, so it can be compared,
// sorted and used as a map key.
//
// The rules are those of the reference's data store: bare segments are made of
// ASCII letters, digits, '_', '-' and '/'; dots need quotes; everything else is
// refused; the text is at most [MaxLength] bytes long.
package key

import (
	"encoding/json"
	"fmt"
	"strings"
)

// MaxLength is the largest number of bytes that the text of a key may have.
const MaxLength = 255

// Key is the canonical text of a key: exactly those segments that contain a
// dot are quoted. The zero value is no key.
type Key string

// Pair is a key and its value, one compact JSON document.
type Pair struct {
	Key   Key
	Value json.RawMessage
}

// SyntaxError says why a text is not a key.
type SyntaxError struct {
	Name string // the text as given
	Why  string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("Key name '%s' has invalid format: %s", e.Name, e.Why)
}

// LengthError is returned for a text longer than [MaxLength] bytes.
type LengthError struct{ Name string }

func (e *LengthError) Error() string {
	return fmt.Sprintf("Key name beyond maximum length %d: %s", MaxLength, e.Name)
}

// Parse reads the text form of a key. Quotes may stand anywhere in a segment
// and are dropped unless the segment needs them. The error is a *[SyntaxError]
// or a *[LengthError].
func Parse(text string) (Key, error) {
	segments, err := split(text)
	if err != nil {
		return "", err
	}
	return join(segments), nil
}

// MustParse is Parse for constants; it panics on a bad key.
func MustParse(text string) Key {
	k, err := Parse(text)
	if err != nil {
		panic(err)
	}
	return k
}

// FromSegments builds a key of one or more segments, quoting where needed.
func FromSegments(segments ...string) (Key, error) {
	if len(segments) == 0 {
		return "", &SyntaxError{Why: "data keys must have at least one segment"}
	}
	for _, s := range segments {
		if err := checkSegment(s); err != nil {
			return "", err
		}
	}
	return checkLength(join(segments))
}

// Child returns the key one segment below k.
func (k Key) Child(segment string) (Key, error) {
	if err := checkSegment(segment); err != nil {
		return "", err
	}
	return checkLength(k + "." + Key(quote(segment)))
}

// Parent returns the key one segment above k; false if k has one segment only.
func (k Key) Parent() (Key, bool) {
	quoted := false
	for i := len(k) - 1; i > 0; i-- {
		switch {
		case k[i] == '"':
			quoted = !quoted
		case k[i] == '.' && !quoted:
			return k[:i], true
		}
	}
	return "", false
}

// Segments returns the segments of k without their quotes.
func (k Key) Segments() []string {
	if k == "" {
		return nil
	}
	segments, start, quoted := make([]string, 0, 4), 0, false
	for i := range len(k) {
		switch {
		case k[i] == '"':
			quoted = !quoted
		case k[i] == '.' && !quoted:
			segments = append(segments, unquote(string(k[start:i])))
			start = i + 1
		}
	}
	return append(segments, unquote(string(k[start:])))
}

// Last returns the last segment of k without quotes.
func (k Key) Last() string {
	if p, ok := k.Parent(); ok {
		return unquote(string(k[len(p)+1:]))
	}
	return unquote(string(k))
}

// Within tells whether k is ancestor or lies below it, segment by segment.
func (k Key) Within(ancestor Key) bool {
	rest, ok := strings.CutPrefix(string(k), string(ancestor))
	return ok && (rest == "" || rest[0] == '.')
}

func (k Key) String() string { return string(k) }

// split is the tokenizer behind Parse.
func split(text string) ([]string, error) {
	if text == "" {
		return nil, &SyntaxError{text, "cannot be empty"}
	}
	if len(text) > MaxLength {
		return nil, &LengthError{text}
	}
	var segments []string
	var segment []byte
	quoted := false
	for _, c := range text {
		switch {
		case c == '"':
			quoted = !quoted
		case c == '.' && !quoted:
			if len(segment) == 0 {
				return nil, &SyntaxError{text, "empty key segment"}
			}
			segments = append(segments, string(segment))
			segment = segment[:0]
		case c == '.' || plain(c):
			segment = append(segment, byte(c))
		default:
			return nil, &SyntaxError{text, fmt.Sprintf("invalid character in key: '%c'", c)}
		}
	}
	switch {
	case quoted:
		return nil, &SyntaxError{text, "unbalanced quotes"}
	case len(segment) == 0 && strings.HasSuffix(text, "."):
		return nil, &SyntaxError{text, "ends with separator"}
	case len(segment) == 0:
		return nil, &SyntaxError{text, "empty key segment"}
	}
	return append(segments, string(segment)), nil
}

func plain(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '_' || c == '-' || c == '/'
}

func checkSegment(s string) error {
	if s == "" {
		return &SyntaxError{s, "empty key segment"}
	}
	for _, c := range s {
		if c != '.' && !plain(c) {
			return &SyntaxError{s, fmt.Sprintf("Segment '%s' contains invalid character '%c'", s, c)}
		}
	}
	return nil
}

func checkLength(k Key) (Key, error) {
	if len(k) > MaxLength {
		return "", &LengthError{string(k)}
	}
	return k, nil
}

func join(segments []string) Key {
	quoted := make([]string, len(segments))
	for i, s := range segments {
		quoted[i] = quote(s)
	}
	return Key(strings.Join(quoted, "."))
}

func quote(s string) string {
	if strings.Contains(s, ".") {
		return `"` + s + `"`
	}
	return s
}

func unquote(s string) string { return strings.Trim(s, `"`) }
