package migrationtest_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/migration"
	"github.com/hostler-os/hostler/migration/migrationtest"
)

// chosen names the suite of TestSuite that another run of this program shall run.
const chosen = "MIGRATIONTEST_SUITE"

var named = migrationtest.Version{Settings: map[string][]any{"settings.a": {1, "x"}}}

// up and down change nothing unless they are given.
func suite(up, down func(*migration.State) error) migrationtest.Suite {
	return migrationtest.Suite{
		Migration: migration.Funcs{Up: up, Down: down}, Cases: "testdata/good",
		Older: named, Newer: named, Idempotent: true,
	}
}

func touchOthers(s *migration.State) error {
	for k := range s.All() {
		if k == "settings.a" {
			continue
		}
		if err := s.Set(k, "touched"); err != nil {
			return err
		}
	}
	return nil
}

func remove(s *migration.State) error {
	s.Delete("settings.a")
	return nil
}

func count(s *migration.State) error {
	if s.Has("settings.a") {
		return s.Set("settings.a", string(append([]byte("x"), byte('0'+s.Len()%10))))
	}
	return s.Set("settings.a", 1)
}

func grow(s *migration.State) error {
	value, ok := s.Get("settings.a")
	if !ok {
		return nil
	}
	return s.Set("settings.a", []any{value})
}

func shrink(s *migration.State) error {
	value, _ := s.Get("settings.a")
	if inner, ok := strings.CutPrefix(string(value), "["); ok {
		return s.SetRaw("settings.a", []byte(strings.TrimSuffix(inner, "]")))
	}
	return nil
}

// suites are good and bad ones, and what a bad one fails with.
var suites = map[string]struct {
	suite migrationtest.Suite
	fails string
}{
	"good":             {suite(nil, nil), ""},
	"loses":            {migrationtest.Suite{Migration: migration.Funcs{Up: remove}, Cases: "testdata/good", Older: named, Loses: true, Idempotent: true}, ""},
	"loses unsaid":     {suite(remove, nil), "back again it is not what it was"},
	"touches others":   {suite(touchOthers, nil), "what the migration does not name has changed"},
	"touches on way":   {suite(nil, touchOthers), "what the migration does not name has changed"},
	"not idempotent":   {suite(grow, shrink), "forward a second time changes something"},
	"no way back":      {suite(count, nil), "back again it is not what it was"},
	"another answer":   {withCases(suite(nil, nil), "testdata/bad"), "forward (-got +want)"},
	"no case":          {withCases(suite(nil, nil), "testdata/none"), "testdata/none has no folder with a case"},
	"no such folder":   {withCases(suite(nil, nil), "testdata/nowhere"), "no such file or directory"},
	"an invalid value": {suite(func(s *migration.State) error { return s.Set("settings.a b", 1) }, nil), "invalid character in key"},
}

func withCases(s migrationtest.Suite, folder string) migrationtest.Suite {
	s.Cases = folder
	return s
}

// TestSuite runs each suite in a process of its own, since most shall fail.
func TestSuite(t *testing.T) {
	if name := os.Getenv(chosen); name != "" {
		suites[name].suite.Run(t)
		return
	}
	for name, tc := range suites {
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSuite$", "-rapid.nofailfile")
		again.Env = append(os.Environ(), chosen+"="+name)
		out, err := again.CombinedOutput()
		if (err != nil) != (tc.fails != "") || !strings.Contains(string(out), tc.fails) {
			t.Errorf("%s: %v, want failure %q in\n%s", name, err, tc.fails, out)
		}
	}
}
