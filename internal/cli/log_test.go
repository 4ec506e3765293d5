package cli

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLog(t *testing.T) {
	var b strings.Builder
	log := NewLog(&b, slog.LevelInfo).With("a", 1)
	log.Debug("hidden")
	log.Info("one", "err", "x\ny")
	log.WithGroup("g").Warn("two", "time", 3)
	log.Error("three")
	want := "<6>msg=one a=1 err=\"x\\ny\"\n<4>msg=two a=1 g.time=3\n<3>msg=three a=1\n"
	if diff := cmp.Diff(b.String(), want); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
}
