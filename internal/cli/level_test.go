package cli_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/cli"
)

func TestLevel(t *testing.T) {
	var level cli.Level
	if level.String() != "info" {
		t.Errorf("the zero value is %s", level.String())
	}
	last := slog.Level(-1 << 63)
	for _, name := range cli.Levels() {
		if err := level.Set(strings.ToUpper(name)); err != nil || level.String() != name {
			t.Errorf("%s: got %s, %v", name, level.String(), err)
		}
		if level.Level() < last {
			t.Errorf("%s tells more than the one before it", name)
		}
		last = level.Level()
	}
	if err := level.Set("loud"); err == nil || level.String() != "off" {
		t.Errorf("loud: got %s, %v", level.String(), err)
	}
}
