package migration_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/migration"
)

func TestRun(t *testing.T) {
	const document = `{"version":1,"from":"1.0.0","to":"1.1.0","live":{"data":{"settings.motd":"hi"},"layers":{"settings.motd":"user"}}}` + "\n"
	broken := migration.Funcs{
		Up:   func(*migration.State) error { return errors.New("no way up") },
		Down: func(*migration.State) error { panic("no way down") },
	}
	for name, tc := range map[string]struct {
		m           migration.Migration
		args        []string
		in          string
		code        int
		out, errors string // errors: what standard error begins with
	}{
		"forward":  {migration.NoOp(), []string{"--forward"}, document, 0, document, ""},
		"backward": {migration.NoOp(), []string{"--backward"}, document, 0, document, ""},
		"fails":    {broken, []string{"--forward"}, document, 1, "", "migrate_x: migrate live forward: no way up\n"},
		"panics":   {broken, []string{"--backward"}, document, 1, "", "migrate_x: panic: no way down\n"},
		"no JSON":  {migration.NoOp(), []string{"--forward"}, "hello", 1, "", "migrate_x: read document: "},
		"none":     {migration.NoOp(), nil, document, 2, "", "migrate_x: expected one argument, --forward or --backward\nhint: "},
		"both":     {migration.NoOp(), []string{"--forward", "--backward"}, document, 2, "", "migrate_x: expected one argument"},
		"unknown":  {migration.NoOp(), []string{"--sideways"}, document, 2, "", "migrate_x: expected one argument"},
	} {
		var out, errs bytes.Buffer
		code := migration.Run(tc.m, append([]string{"/run/migrate_x"}, tc.args...), strings.NewReader(tc.in), &out, &errs)
		if code != tc.code || out.String() != tc.out || !strings.HasPrefix(errs.String(), tc.errors) || (tc.errors == "") != (errs.Len() == 0) {
			t.Errorf("%s: got %d, %q, %q", name, code, out.String(), errs.String())
		}
	}
	var out bytes.Buffer
	if code := migration.Run(migration.NoOp(), []string{"migrate_x", "--help"}, nil, &out, &out); code != 0 || !strings.HasPrefix(out.String(), "Usage: migrate_x --forward | --backward") {
		t.Errorf("--help: got %d, %q", code, out.String())
	}
}
