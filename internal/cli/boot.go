package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/hostler-os/hostler/internal/api"
)

// PrintBoot prints the report of a boot for people.
func PrintBoot(w io.Writer, b api.Boot) {
	fmt.Fprintf(w, "boot %d: %s\n", b.ID, b.State)
	rows := [][]string{{"  variant", b.Variant}, {"  started", Time(b.Started)}}
	if !b.Finished.IsZero() {
		rows = append(rows, []string{"  took", took(b.Finished.Sub(b.Started))})
	}
	Table(w, rows)
	rows = [][]string{{"", "", "", ""}, {"  PHASE", "STATE", "TOOK", "WHAT"}}
	for _, p := range b.Phases {
		rows = append(rows, []string{"  " + p.Name, string(p.State), took(p.Finished.Sub(p.Started)), phaseText(p)})
	}
	Table(w, rows)
	for _, p := range b.Phases {
		printDetails(w, p)
	}
}

func phaseText(p api.BootPhase) string {
	text := p.Summary
	if p.Change > 0 {
		text += fmt.Sprintf(" (change %d)", p.Change)
	}
	if p.Error != nil {
		if text != "" {
			text += "; "
		}
		text += p.Error.Message
	}
	return text
}

// printDetails lists what a phase did, item by item.
func printDetails(w io.Writer, p api.BootPhase) {
	if len(p.Documents)+len(p.Settings)+len(p.Warnings) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", p.Name)
	if p.Error != nil && p.Error.Hint != "" {
		fmt.Fprintf(w, "  hint: %s\n", p.Error.Hint)
	}
	for _, d := range p.Documents {
		printDocument(w, d)
	}
	var rows [][]string
	for _, s := range p.Settings {
		why := s.From
		if s.Reason != "" {
			why = s.Reason
		}
		rows = append(rows, []string{"  " + s.Key, string(s.State), took(s.Took), why})
	}
	Table(w, rows)
	for _, s := range p.Settings {
		if s.State == api.BootFailed && s.Stderr != "" {
			fmt.Fprintf(w, "  %s said: %s\n", s.Key, s.Stderr)
		}
	}
	for _, text := range p.Warnings {
		fmt.Fprintf(w, "  warning: %s\n", text)
	}
}

func printDocument(w io.Writer, d api.BootDocument) {
	text := fmt.Sprintf("  %s: %s", d.Provider, d.State)
	if d.Source != "" {
		text += ", " + d.Source
	}
	if d.Bytes > 0 {
		text += fmt.Sprintf(", %d bytes", d.Bytes)
	}
	if d.Reason != "" && len(d.Problems) == 0 {
		text += ": " + d.Reason
	}
	fmt.Fprintln(w, text)
	for _, p := range d.Problems {
		place := ""
		if p.Line > 0 {
			place = fmt.Sprintf("line %d, column %d: ", p.Line, p.Column)
		}
		key := ""
		if p.Key != "" {
			key = p.Key + ": "
		}
		fmt.Fprintf(w, "    %s%s%s\n", place, key, p.Message)
		if p.Hint != "" {
			fmt.Fprintf(w, "      hint: %s\n", p.Hint)
		}
	}
}

func took(d time.Duration) string {
	switch {
	case d <= 0:
		return "-"
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
