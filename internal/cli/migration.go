package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/hostler-os/hostler/internal/api"
)

// PrintMigration prints the report of a migration, or of its rehearsal, for people.
func PrintMigration(w io.Writer, m api.Migration) {
	what := "migration"
	if m.Rehearsal {
		what = "rehearsal of the migration"
	}
	fmt.Fprintf(w, "%s from %s to %s: %s\n", what, m.From, m.To, m.State)
	rows := [][]string{{"  started", Time(m.Started)}, {"  took", took(m.Took)}}
	if m.Way != "" {
		rows = append(rows, []string{"  way", string(m.Way)})
	}
	if m.Kept != "" {
		rows = append(rows, []string{"  kept", m.Kept})
	}
	if m.Unchecked != "" {
		rows = append(rows, []string{"  unchecked", m.Unchecked})
	}
	if len(m.Missing) > 0 {
		rows = append(rows, []string{"  without", strings.Join(m.Missing, ", ")})
	}
	Table(w, rows)
	if m.Error != nil {
		fmt.Fprintf(w, "  error: %s\n", m.Error.Message)
		if m.Error.Hint != "" {
			fmt.Fprintf(w, "  hint: %s\n", m.Error.Hint)
		}
	}
	printSteps(w, m.Steps)
	for _, e := range m.Diff {
		fmt.Fprintf(w, "  %s (%s): %s -> %s\n", e.Key, e.Layer, side(e.Before), side(e.After))
	}
	PrintMisfits(w, "  the new model refuses", m.Violations)
	PrintMisfits(w, "  does not fit, as before", m.Before)
	for _, text := range m.Warnings {
		fmt.Fprintf(w, "  warning: %s\n", text)
	}
}

func printSteps(w io.Writer, steps []api.MigrationStep) {
	var rows [][]string
	for _, s := range steps {
		contract := ""
		if s.Reference {
			contract = "of the reference"
		}
		rows = append(rows, []string{"  " + s.Name, took(s.Took), contract, s.Error})
	}
	Table(w, rows)
}

func side(value []byte) string {
	if value == nil {
		return "not set"
	}
	var line bytes.Buffer
	if err := json.Compact(&line, value); err != nil {
		return string(value)
	}
	return line.String()
}
