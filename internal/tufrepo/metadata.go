package tufrepo

import (
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hostler-os/hostler/internal/api"
)

// What is read of metadata at most, unless a smaller length is announced.
const (
	maxRoot      = 1 << 20
	maxTimestamp = 1 << 20
	maxSnapshot  = 1 << 20
	maxTargets   = 10 << 20
)

// signed is metadata of one role whose form is right. Whether it is believed is
// another question.
type signed[T body] struct {
	envelope
	role    string
	version int64
	expires time.Time
	body    T
}

// header is what metadata of every role begins with.
type header struct {
	Type        string    `json:"_type"`
	SpecVersion string    `json:"spec_version"`
	Version     int64     `json:"version"`
	Expires     time.Time `json:"expires"`
}

var specVersion = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^1\.[0-9]+(\.[0-9]+)?$`) })

// parse reads metadata of a role; kind is its "_type", which for delegated roles is "targets".
func parse[T body](role, kind string, raw []byte) (signed[T], error) {
	what := metadataOf(role)
	e, err := parseEnvelope(what, raw)
	if err != nil {
		return signed[T]{}, err
	}
	s := signed[T]{envelope: e, role: role}
	h, err := s.decode(kind)
	if err != nil {
		return s, &Error{Kind: ErrMalformed, What: what, Err: err}
	}
	s.version, s.expires = h.Version, h.Expires
	return s, nil
}

func (s *signed[T]) decode(kind string) (header, error) {
	var h header
	if err := json.Unmarshal(s.text, &h); err != nil {
		return h, err
	}
	if err := h.check(kind); err != nil {
		return h, err
	}
	if err := json.Unmarshal(s.text, &s.body); err != nil {
		return h, err
	}
	return h, any(s.body).(interface{ check() error }).check()
}

func (h header) check(kind string) error {
	switch {
	case h.Type != kind:
		return fmt.Errorf("it is of type %q, expected %q", printable(h.Type), kind)
	case !specVersion().MatchString(h.SpecVersion):
		return fmt.Errorf("specification version %q, expected 1.x", printable(h.SpecVersion))
	case h.Version < 1:
		return fmt.Errorf("version %d, expected at least 1", h.Version)
	case h.Expires.IsZero():
		return errors.New("it does not say when it expires")
	}
	return nil
}

// expired tells whether the metadata's time is over.
func (s signed[T]) expired(now time.Time) error {
	if now.Before(s.expires) {
		return nil
	}
	return &Error{
		Kind: ErrExpired,
		Text: fmt.Sprintf("%s is expired: it was good until %s, now it is %s", metadataOf(printable(s.role)),
			api.TimeText(s.expires.UTC()), api.TimeText(now.UTC())),
		Hint: "check this host's clock; if it is right, the repository is not being refreshed: ask its publisher",
	}
}

// announced is what one metadata file says of another.
type announced struct {
	version int64
	length  int64 // negative: not said
	hashes  digests
}

func announcement(m *fileInfo) announced {
	a := announced{version: m.Version, length: m.Length, hashes: m.Hashes}
	if a.length == 0 {
		a.length = -1
	}
	return a
}

// limit is how much is to be read. An announcement may raise the usual limit, but
// not to what a thief of one key could fill a host's memory with.
func (a announced) limit(most int64) int64 {
	if a.length >= 0 {
		return min(a.length, 4*most)
	}
	return most
}

func (a announced) checkVersion(role string, version int64) error {
	if version == a.version {
		return nil
	}
	return &Error{
		Kind: ErrVersion, What: metadataOf(printable(role)),
		Text: fmt.Sprintf("version %d, expected %d", version, a.version),
		Hint: "the repository is inconsistent, perhaps in the middle of a publication; try again",
	}
}
