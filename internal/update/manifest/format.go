package manifest

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Format writes the manifest byte for byte as the reference's tools do:
// indented by two spaces, members in the order of the type, waves by number,
// migrations by the text of their keys, no final newline.
func (m *Manifest) Format() ([]byte, error) {
	return format(func(e encoder) {
		e.object("updates", func() { e.updates(m.Updates) }, "migrations", func() { e.migrations(m.Migrations) })
	})
}

// Format writes one release as it stands in a manifest.
func (u Update) Format() ([]byte, error) { return format(func(e encoder) { e.update(u) }) }

// FormatUpdates writes an array of releases.
func FormatUpdates(list []Update) ([]byte, error) { return format(func(e encoder) { e.updates(list) }) }

// encoder writes tokens; the first error is kept for the end.
type encoder struct {
	*jsontext.Encoder
	err *error
}

func format(write func(encoder)) ([]byte, error) {
	var out bytes.Buffer
	var err error
	write(encoder{jsontext.NewEncoder(&out, jsontext.WithIndent("  ")), &err})
	if err != nil {
		return nil, fmt.Errorf("format manifest: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

func (e encoder) token(t jsontext.Token) {
	if err := e.WriteToken(t); err != nil && *e.err == nil {
		*e.err = err
	}
}

func (e encoder) text(s string) { e.token(jsontext.String(s)) }

// object writes an object of names and functions that write their values.
func (e encoder) object(members ...any) {
	e.token(jsontext.BeginObject)
	for i := 0; i < len(members); i += 2 {
		e.text(members[i].(string))
		members[i+1].(func())()
	}
	e.token(jsontext.EndObject)
}

func (e encoder) updates(list []Update) {
	e.token(jsontext.BeginArray)
	for _, u := range list {
		e.update(u)
	}
	e.token(jsontext.EndArray)
}

func (e encoder) update(u Update) {
	text := func(s string) func() { return func() { e.text(s) } }
	e.object(
		"variant", text(u.Variant),
		"arch", text(u.Arch),
		"version", text(u.Version.String()),
		"max_version", text(u.MaxVersion.String()),
		"waves", func() { e.waves(u.Waves) },
		"images", func() {
			e.object("boot", text(u.Images.Boot), "root", text(u.Images.Root), "hash", text(u.Images.Hash))
		},
	)
}

func (e encoder) waves(list Waves) {
	e.token(jsontext.BeginObject)
	for _, w := range list {
		e.text(strconv.FormatUint(uint64(w.Seed), 10))
		e.text(formatTime(w.Start))
	}
	e.token(jsontext.EndObject)
}

func (e encoder) migrations(list []Migration) {
	e.token(jsontext.BeginObject)
	for _, m := range list {
		e.text(m.key())
		e.token(jsontext.BeginArray)
		for _, target := range m.Targets {
			e.text(target)
		}
		e.token(jsontext.EndArray)
	}
	e.token(jsontext.EndObject)
}

// formatTime writes fractions of a second in groups of three digits, if there are any.
func formatTime(t time.Time) string {
	layout := "2006-01-02T15:04:05Z"
	switch ns := t.Nanosecond(); {
	case ns == 0:
	case ns%1e6 == 0:
		layout = "2006-01-02T15:04:05.000Z"
	case ns%1e3 == 0:
		layout = "2006-01-02T15:04:05.000000Z"
	default:
		layout = "2006-01-02T15:04:05.000000000Z"
	}
	return t.UTC().Format(layout)
}
