package cli_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
)

func TestReport(t *testing.T) {
	hinted := &api.Error{Message: "wrong", Hint: "do right"}
	told := &api.Error{Message: "wrong; hint: do right", Hint: "do right"}
	for _, tt := range []struct {
		name string
		err  error
		code int
		want string
	}{
		{"", nil, cli.ExitOK, ""},
		{"prog", errors.New("wrong"), cli.ExitFailed, "prog: wrong\n"},
		{"", fmt.Errorf("ask: %w", hinted), cli.ExitFailed, "ask: wrong\nhint: do right\n"},
		{"", fmt.Errorf("ask: %w", told), cli.ExitFailed, "ask: wrong; hint: do right\n"},
		{"prog", &cli.ExitError{Code: 7, Err: hinted}, 7, "prog: wrong\nhint: do right\n"},
	} {
		var out strings.Builder
		code := cli.Report(&out, tt.name, tt.err)
		if diff := cmp.Diff(out.String(), tt.want); code != tt.code || diff != "" {
			t.Errorf("%v: exit code %d, want %d; -got +want:\n%s", tt.err, code, tt.code, diff)
		}
	}
}
