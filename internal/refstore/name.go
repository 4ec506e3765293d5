package refstore

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hostler-os/hostler/internal/key"
)

// encode writes one component of a path.
func encode(component string) string {
	var out strings.Builder
	for i := range len(component) {
		if c := component[i]; isPlain(c) {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}

func isPlain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

var errName = errors.New("the name is not one that a datastore writes")

// decode is the inverse of encode. It takes nothing else, so that no two names
// stand for the same thing.
func decode(component string) (string, error) {
	var out strings.Builder
	for i := 0; i < len(component); i++ {
		if component[i] != '%' {
			out.WriteByte(component[i])
			continue
		}
		c, err := strconv.ParseUint(component[i+1:min(i+3, len(component))], 16, 8)
		if err != nil {
			return "", errName
		}
		out.WriteByte(byte(c))
		i += 2
	}
	if text := out.String(); utf8.ValidString(text) && encode(text) == component {
		return text, nil
	}
	return "", errName
}

// place is what a file below live or a transaction holds.
type place struct {
	key      key.Key
	metadata string // "": it is the value
}

// parsePath reads a path below live or a transaction.
func parsePath(path string) (place, error) {
	data, metadata, isMetadata := strings.Cut(path, ".")
	segments := strings.Split(data, "/")
	for i, component := range segments {
		segment, err := decode(component)
		if err != nil {
			return place{}, err
		}
		segments[i] = segment
	}
	k, err := key.FromSegments(segments...)
	if err != nil || !isMetadata {
		return place{key: k}, err
	}
	if err := checkMetadataName(metadata); err != nil {
		return place{}, err
	}
	return place{k, metadata}, nil
}

// checkMetadataName refuses names that the reference could not read again: it
// encodes them when it writes, but does not decode them.
func checkMetadataName(name string) error {
	if name == "" || encode(name) != name {
		return fmt.Errorf("metadata %q: %w", name, errName)
	}
	return nil
}

// path is the inverse of parsePath.
func (p place) path() string {
	segments := p.key.Segments()
	for i, segment := range segments {
		segments[i] = encode(segment)
	}
	path := strings.Join(segments, "/")
	if p.metadata != "" {
		path += "." + p.metadata
	}
	return path
}
