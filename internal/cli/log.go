package cli

import (
	"context"
	"io"
	"log/slog"
	"math"
	"sync"
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

// NewLog logs text to w: with the time for people at a terminal, with the
// journal's priority where the journal knows the time itself.
func NewLog(w io.Writer, level slog.Level) *slog.Logger {
	if IsTerminal(w) {
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
	}
	out := &priorityWriter{w: w}
	text := slog.NewTextHandler(out, &slog.HandlerOptions{Level: level, ReplaceAttr: leaveOut})
	return slog.New(&journalHandler{text, out})
}

// leaveOut drops what the priority and the journal say already.
func leaveOut(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return slog.Attr{}
	}
	return a
}

// journalHandler puts <N>, the priority of sd-daemon(3), before each line.
type journalHandler struct {
	slog.Handler
	out *priorityWriter
}

func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	h.out.priority = priority(r.Level)
	return h.Handler.Handle(ctx, r)
}

func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &journalHandler{h.Handler.WithAttrs(attrs), h.out}
}

func (h *journalHandler) WithGroup(name string) slog.Handler {
	return &journalHandler{h.Handler.WithGroup(name), h.out}
}

// priorityWriter writes whole lines, each with its priority before it.
type priorityWriter struct {
	mu       sync.Mutex // held by journalHandler for one record
	w        io.Writer
	priority string
	line     []byte
}

func (p *priorityWriter) Write(line []byte) (int, error) {
	p.line = append(append(p.line[:0], p.priority...), line...)
	if _, err := p.w.Write(p.line); err != nil {
		return 0, err
	}
	return len(line), nil
}

func priority(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "<3>"
	case l >= slog.LevelWarn:
		return "<4>"
	case l >= slog.LevelInfo:
		return "<6>"
	}
	return "<7>"
}
