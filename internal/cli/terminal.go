package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/hostler-os/hostler/internal/api"
)

// IsTerminal tells whether a stream is a terminal: somebody looks at it.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Progress is one line on a terminal that is written over again and again. The
// zero value, and one made for a stream that is no terminal, shows nothing.
type Progress struct {
	w     io.Writer
	width int
	shown string
}

// NewProgress returns a Progress on w if that is a terminal.
func NewProgress(w io.Writer) *Progress {
	f, ok := w.(*os.File)
	if !ok || !IsTerminal(w) {
		return &Progress{}
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 20 {
		width = 80
	}
	return &Progress{w: w, width: width}
}

// Show replaces the line.
func (p *Progress) Show(text string) {
	if p.w == nil {
		return
	}
	if text = clip(OneLine(text), p.width-1); text == p.shown {
		return
	}
	p.shown = text
	fmt.Fprintf(p.w, "\r\x1b[K%s", text)
}

// Clear removes the line, so that something else can be printed.
func (p *Progress) Clear() {
	if p.shown != "" {
		p.shown = ""
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// OneLine makes text safe to print within a line of a terminal: control
// characters, which could move the cursor or colour it, become spaces.
func OneLine(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if control(r) {
			return ' '
		}
		return r
	}, text))
}

// Line is OneLine for text whose indentation matters: tabs and leading spaces stay.
func Line(text string) string {
	return strings.TrimRight(strings.Map(func(r rune) rune {
		if control(r) && r != '\t' {
			return ' '
		}
		return r
	}, text), " ")
}

// shown is text as it may be written to w: in lines without control characters
// if that is a terminal, else as it is.
func shown(w io.Writer, text string) string {
	if !IsTerminal(w) {
		return text
	}
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = Line(lines[i])
	}
	return strings.Join(lines, "\n")
}

// People is w for text in which names from outside may be, such as those of files
// and targets: if w is a terminal, control characters become spaces.
func People(w io.Writer) io.Writer {
	if !IsTerminal(w) {
		return w
	}
	return people{w}
}

type people struct{ terminal io.Writer }

func (p people) Write(text []byte) (int, error) {
	clean := strings.Map(func(r rune) rune {
		if control(r) && r != '\n' && r != '\t' {
			return ' '
		}
		return r
	}, string(text))
	if _, err := io.WriteString(p.terminal, clean); err != nil {
		return 0, err
	}
	return len(text), nil
}

// JSON is w for whole JSON documents. They may hold the control characters from
// U+007F on as they are; if w is a terminal, which would obey them, it gets
// their escape sequences, and the document means the same.
func JSON(w io.Writer) io.Writer {
	if !IsTerminal(w) {
		return w
	}
	return escaping{people{w}}
}

type escaping struct{ terminal io.Writer }

func (e escaping) Write(text []byte) (int, error) {
	var b strings.Builder
	for _, r := range string(text) {
		if control(r) && r >= 0x7f {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	if _, err := io.WriteString(e.terminal, b.String()); err != nil {
		return 0, err
	}
	return len(text), nil
}

// control tells whether a character does something to a terminal or to what
// stands around it there, such as turning its order round (U+202A to U+202E,
// U+2066 to U+2069): what is read must be what is meant.
func control(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

func clip(text string, width int) string {
	if runes := []rune(text); len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return text
}

// Time formats an instant for people, in the local time zone.
func Time(t time.Time) string {
	return api.TimeText(t.Local())
}

// Duration formats a length of time for people: three significant units at
// most, no trailing zero units.
func Duration(d time.Duration) string {
	switch {
	case d >= time.Minute:
		d = d.Round(time.Second)
	case d >= time.Second:
		d = d.Round(100 * time.Millisecond)
	case d >= time.Millisecond:
		d = d.Round(time.Millisecond)
	default:
		d = d.Round(time.Microsecond)
	}
	text := d.String()
	if short, ok := strings.CutSuffix(text, "m0s"); ok {
		text = short + "m"
	}
	if short, ok := strings.CutSuffix(text, "h0m"); ok {
		text = short + "h"
	}
	return text
}
