package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Parse parses a manifest. Unknown members are ignored at every level; all
// others are required, and may be given once. Errors name the place.
func Parse(text []byte) (*Manifest, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("the manifest has %d bytes, more than the limit of %d", len(text), MaxSize)
	}
	d := &decoder{jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true))}
	m := new(Manifest)
	if err := d.manifest(m); err != nil {
		return nil, d.locate(err)
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("unexpected text after the manifest")
	}
	return m, nil
}

// decoder reads a manifest token by token: the JSON libraries that fill structs
// cannot tell a missing member from an empty one, nor keep the order of keys.
type decoder struct{ *jsontext.Decoder }

func (d *decoder) manifest(m *Manifest) error {
	return d.struct_(map[string]func() error{
		"updates": func() error {
			return d.array(func() (err error) {
				var u Update
				err = d.update(&u)
				m.Updates = append(m.Updates, u)
				return err
			})
		},
		"migrations": func() (err error) {
			m.Migrations, err = d.migrations()
			return err
		},
	})
}

func (d *decoder) update(u *Update) error {
	return d.struct_(map[string]func() error{
		"variant":     func() error { return d.text(&u.Variant) },
		"arch":        func() error { return d.text(&u.Arch) },
		"version":     func() error { return d.version(&u.Version) },
		"max_version": func() error { return d.version(&u.MaxVersion) },
		"waves":       func() error { return d.waves(&u.Waves) },
		"images": func() error {
			return d.struct_(map[string]func() error{
				"boot": func() error { return d.text(&u.Images.Boot) },
				"root": func() error { return d.text(&u.Images.Root) },
				"hash": func() error { return d.text(&u.Images.Hash) },
			})
		},
	})
}

func (d *decoder) waves(w *Waves) error {
	return d.object(func(name string) error {
		seed, err := parseSeed(name)
		if err != nil {
			return fixed("Bad bound field: %s", name)
		}
		i, found := w.search(seed)
		if found {
			return fixed("Duplicate key ID: %d", seed)
		}
		var text string
		if err := d.text(&text); err != nil {
			return err
		}
		start, err := parseTime(text)
		*w = slices.Insert(*w, i, Wave{seed, start})
		return err
	})
}

// migrationKey is the reference's pattern; what stands around a match is ignored.
var migrationKey = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\(([^ ,]+), *([^ ,]+)\)`) })

func (d *decoder) migrations() (list []Migration, err error) {
	seen := make(map[[2]Version]bool)
	err = d.object(func(name string) error {
		m, err := parseMigrationKey(name)
		if err != nil {
			return err
		}
		if seen[[2]Version{m.From, m.To}] {
			return fixed("Duplicate version key: %s", name)
		}
		seen[[2]Version{m.From, m.To}] = true
		err = d.array(func() error {
			var target string
			err := d.text(&target)
			m.Targets = append(m.Targets, target)
			return err
		})
		list = append(list, m)
		return err
	})
	sortMigrations(list)
	return list, err
}

func sortMigrations(list []Migration) {
	slices.SortFunc(list, func(a, b Migration) int { return strings.Compare(a.key(), b.key()) })
}

func parseMigrationKey(key string) (m Migration, err error) {
	match := migrationKey().FindStringSubmatch(key)
	if match == nil {
		return m, fixed("Could not parse OS versions: %s", key)
	}
	from, errFrom := ParseVersion(match[1])
	to, errTo := ParseVersion(match[2])
	if errFrom != nil || errTo != nil {
		return m, fixed("Could not parse OS versions: %s, %s", match[1], match[2])
	}
	return Migration{From: from, To: to}, nil
}

// struct_ reads an object with these members, all of which are required.
func (d *decoder) struct_(members map[string]func() error) error {
	seen := make(map[string]bool)
	err := d.object(func(name string) error {
		read := members[name]
		if read == nil {
			return d.SkipValue()
		}
		if seen[name] {
			return fmt.Errorf("member %q is given twice", name)
		}
		seen[name] = true
		return read()
	})
	if err != nil || len(seen) == len(members) {
		return err
	}
	var missing []string
	for name := range members {
		if !seen[name] {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return fmt.Errorf("missing: %s", strings.Join(missing, ", "))
}

// object reads an object; member reads the value of the member of that name.
func (d *decoder) object(member func(name string) error) error {
	if err := d.open('{', "an object"); err != nil {
		return err
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		if err := member(name.String()); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

func (d *decoder) array(element func() error) error {
	if err := d.open('[', "an array"); err != nil {
		return err
	}
	for d.PeekKind() != ']' {
		if err := element(); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

func (d *decoder) open(kind jsontext.Kind, expected string) error {
	token, err := d.ReadToken()
	if err == nil && token.Kind() != kind {
		return fmt.Errorf("expected %s, found %s", expected, token.Kind())
	}
	return err
}

func (d *decoder) text(into *string) error {
	token, err := d.ReadToken()
	if err != nil {
		return err
	}
	if token.Kind() != '"' {
		return fmt.Errorf("expected a string, found %s", token.Kind())
	}
	*into = token.String()
	return nil
}

func (d *decoder) version(into *Version) error {
	var text string
	if err := d.text(&text); err != nil {
		return err
	}
	return into.UnmarshalText([]byte(text))
}

// locate puts the place before an error; the JSON library's own name theirs.
func (d *decoder) locate(err error) error {
	if e := new(jsontext.SyntacticError); errors.As(err, &e) {
		return err
	}
	if at := d.StackPointer(); at != "" {
		return fmt.Errorf("%s: %w", at, err)
	}
	return err
}

// rfc3339 also takes the one-digit months, days and hours that old manifests have.
var rfc3339 = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(\d{4})-(\d\d?)-(\d\d?)([Tt ])(\d\d?)(:\d\d:\d\d(?:\.\d+)?)([Zz]|[+-]\d\d:\d\d)$`)
})

func parseTime(text string) (time.Time, error) {
	wrong := fmt.Errorf("%q is not a time as in 2030-01-31T18:00:00Z", text)
	m := rfc3339().FindStringSubmatch(text)
	if m == nil {
		return time.Time{}, wrong
	}
	pad := func(s string) string { return strings.Repeat("0", 2-len(s)) + s }
	t, err := time.Parse(time.RFC3339Nano, m[1]+"-"+pad(m[2])+"-"+pad(m[3])+"T"+pad(m[5])+m[6]+strings.ToUpper(m[7]))
	// An offset may lead out of the years that RFC 3339 can write.
	if t = t.UTC(); err != nil || t.Year() < 0 || t.Year() > 9999 {
		return time.Time{}, wrong
	}
	return t, nil
}
