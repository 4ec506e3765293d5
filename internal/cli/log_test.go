package cli

import (
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// say logs one line of each kind.
func say(log *slog.Logger) {
	log = log.With("a", 1)
	log.Debug("hidden")
	log.Info("one", "err", "x\ny", "took", 1234567*time.Nanosecond)
	log.WithGroup("g").Warn("two\nlines", "time", 3)
	log.Error("three", "err", error(nil))
}

func TestPlainLog(t *testing.T) {
	var b strings.Builder
	log := NewPlainLog(&b, slog.LevelInfo)
	say(log)
	log.Info("four")
	want := "one  a=1 err=\"x\\ny\" took=1ms\nwarning: two lines  a=1 g.time=3\nerror: three  a=1\nfour\n"
	if diff := cmp.Diff(b.String(), want); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
}

func TestLog(t *testing.T) {
	var b strings.Builder
	say(NewLog(&b, slog.LevelDebug))
	stamp := regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d `)
	want := "T debug: hidden  a=1\nT one  a=1 err=\"x\\ny\" took=1ms\nT warning: two lines  a=1 g.time=3\nT error: three  a=1\n"
	if diff := cmp.Diff(stamp.ReplaceAllString(b.String(), "T "), want); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
}

// A file stands for the socket of the journal: systemd names it by device and inode.
func TestJournalLog(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", stat.Dev, stat.Ino))
	say(NewLog(f, slog.LevelInfo))
	say(NewPlainLog(f, slog.LevelError))
	got, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	want := "<6>msg=one a=1 err=\"x\\ny\" took=1ms\n<4>msg=\"two\\nlines\" a=1 g.time=3\n<3>msg=three a=1\n<3>msg=three a=1\n"
	if diff := cmp.Diff(string(got), want); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
}
