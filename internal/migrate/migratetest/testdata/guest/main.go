// Guest is every migration that the tests run: the name that it was published
// as says what it does.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hostler-os/hostler/migration"
)

var kinds = map[string]migration.Migration{
	"noop": migration.NoOp(),
	// The message of the day says which versions it came through.
	"motd": migration.Funcs{Up: motd("+"), Down: motd("-")},
	// A setting gets another name.
	"rename": migration.Funcs{Up: rename("settings.old", "settings.motd"), Down: rename("settings.motd", "settings.old")},
	// A value that no model takes.
	"break": migration.Funcs{Up: func(s *migration.State) error { return s.Set("settings.ntp.time-servers", 5) }},
	"fail": migration.Funcs{
		Up:   func(*migration.State) error { return errors.New("it cannot be done") },
		Down: func(*migration.State) error { return errors.New("it cannot be undone") },
	},
	"oneway": migration.Funcs{Up: motd("+"), Down: func(*migration.State) error { return errors.New("there is no way back") }},
	"hang":   migration.Funcs{Up: func(*migration.State) error { time.Sleep(time.Hour); return nil }},
	"foreign": migration.Funcs{Up: func(s *migration.State) error {
		return errors.Join(s.Set("os.arch", "x"), s.Set("services.x.y", 1))
	}},
	"talk": migration.Funcs{Up: func(s *migration.State) error { s.Log.Info("hello"); return nil }},
}

func main() {
	// migrate_v1.1.0_KIND-ANYTHING.lz4
	_, kind, _ := strings.Cut(strings.TrimPrefix(os.Args[0], "migrate_"), "_")
	kind, _, _ = strings.Cut(strings.TrimSuffix(kind, ".lz4"), "-")
	answer := answers[kind]
	if answer == nil {
		migration.Main(kinds[kind])
	}
	if err := respond(answer); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(migration.ExitFailed)
	}
}

// answers are those of programs that are not made with package migration.
var answers = map[string]func(*migration.Document) ([]byte, error){
	"garbage": func(*migration.Document) ([]byte, error) { return []byte("no document\n"), nil },
	// With the member os that it was given, and space before it all.
	"echo": func(doc *migration.Document) ([]byte, error) {
		if doc.OS.VersionID == "" {
			return nil, errors.New("nobody says which image is running")
		}
		return doc.Append([]byte("\n"), true)
	},
	// These begin as an answer should, and are none.
	"cut": func(doc *migration.Document) ([]byte, error) {
		text, err := doc.Append(nil, false)
		return bytes.TrimRight(text, "}\n"), err
	},
	"astray": func(doc *migration.Document) ([]byte, error) {
		doc.To = "9.9.9"
		return doc.Append(nil, false)
	},
}

func respond(answer func(*migration.Document) ([]byte, error)) error {
	doc, err := migration.Read(os.Stdin)
	if err != nil {
		return err
	}
	text, err := answer(doc)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}

// motd appends a mark and the argument's sign, or takes it back.
func motd(sign string) func(*migration.State) error {
	return func(s *migration.State) error {
		text, ok := s.Get("settings.motd")
		if !ok {
			return nil
		}
		value := strings.Trim(string(text), `"`)
		if back, had := strings.CutSuffix(value, "+"); sign == "-" && had {
			return s.Set("settings.motd", back)
		}
		return s.Set("settings.motd", value+sign)
	}
}

func rename(from, to string) func(*migration.State) error {
	return func(s *migration.State) error {
		value, ok := s.Get(from)
		if !ok {
			return nil
		}
		layer := s.Layer(from)
		s.Delete(from)
		if err := s.SetRaw(to, value); err != nil || layer == "" {
			return err
		}
		return s.SetLayer(to, layer)
	}
}
