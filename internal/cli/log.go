package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// levels are the log levels by their names.
var levels = map[string]slog.Level{
	"trace": math.MinInt,
	"debug": slog.LevelDebug,
	"info":  slog.LevelInfo,
	"warn":  slog.LevelWarn,
	"error": slog.LevelError,
	"off":   math.MaxInt,
}

// NewLog is the log of a service: with the journal's priority where the journal
// reads it, which knows the time itself, and for people elsewhere, a line each,
// with the time.
func NewLog(w io.Writer, level slog.Level) *slog.Logger {
	if readByJournal(w) {
		return newLog(w, level, priority, slog.LevelKey, slog.TimeKey)
	}
	return newLog(w, level, func(r slog.Record) string {
		return r.Time.Local().Format("2006-01-02 15:04:05 ") + sentence(r)
	}, slog.LevelKey, slog.TimeKey, slog.MessageKey)
}

// NewPlainLog is NewLog without times: for commands that people wait for, and
// for programs whose callers know the time.
func NewPlainLog(w io.Writer, level slog.Level) *slog.Logger {
	if readByJournal(w) {
		return NewLog(w, level)
	}
	return newLog(w, level, sentence, slog.LevelKey, slog.TimeKey, slog.MessageKey)
}

// readByJournal tells whether a stream leads to systemd's journal: systemd says
// which one does.
func readByJournal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

// newLog logs lines that begin as start says, followed by the attributes, but
// for those that the start says already.
func newLog(w io.Writer, level slog.Level, start func(slog.Record) string, said ...string) *slog.Logger {
	out := &lineWriter{w: w, start: start}
	text := slog.NewTextHandler(out, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		switch nothing := a.Key == "err" && a.Value.Any() == nil; { // it is how work ended that went well
		case nothing, len(groups) == 0 && slices.Contains(said, a.Key):
			return slog.Attr{}
		case a.Value.Kind() == slog.KindDuration:
			a.Value = slog.StringValue(Duration(a.Value.Duration()))
		}
		return a
	}})
	return slog.New(&lineHandler{text, out})
}

// lineHandler tells the lineWriter which record it writes.
type lineHandler struct {
	slog.Handler
	out *lineWriter
}

func (h *lineHandler) Handle(ctx context.Context, r slog.Record) error {
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	h.out.record = r
	return h.Handler.Handle(ctx, r)
}

func (h *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &lineHandler{h.Handler.WithAttrs(attrs), h.out}
}

func (h *lineHandler) WithGroup(name string) slog.Handler {
	return &lineHandler{h.Handler.WithGroup(name), h.out}
}

// lineWriter writes whole lines, each with its start before it.
type lineWriter struct {
	mu     sync.Mutex // held by lineHandler for one record
	w      io.Writer
	start  func(slog.Record) string
	record slog.Record
	line   []byte
}

func (p *lineWriter) Write(attributes []byte) (int, error) {
	start := p.start(p.record)
	if len(attributes) == 1 { // but a line feed
		start = strings.TrimRight(start, " ")
	}
	p.line = append(append(p.line[:0], start...), attributes...)
	if _, err := p.w.Write(p.line); err != nil {
		return 0, err
	}
	return len(attributes), nil
}

// priority is that of sd-daemon(3).
func priority(r slog.Record) string {
	switch {
	case r.Level >= slog.LevelError:
		return "<3>"
	case r.Level >= slog.LevelWarn:
		return "<4>"
	case r.Level >= slog.LevelInfo:
		return "<6>"
	}
	return "<7>"
}

// sentence is the message for people, with a word for what is no plain news.
func sentence(r slog.Record) string {
	text := OneLine(r.Message) + "  "
	switch {
	case r.Level >= slog.LevelError:
		return "error: " + text
	case r.Level >= slog.LevelWarn:
		return "warning: " + text
	case r.Level >= slog.LevelInfo:
		return text
	}
	return "debug: " + text
}
