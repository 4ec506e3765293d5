package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hostler-os/hostler/internal/api"
)

// PrintPlan writes a plan for people: settings, files, services, warnings.
func PrintPlan(w io.Writer, p *api.Plan) {
	if len(p.Edits) == 0 && len(changedFiles(p)) == 0 && len(p.Restarts) == 0 {
		fmt.Fprintln(w, "nothing would change")
	}
	PrintPlanned(w, p)
	for _, text := range p.Warnings {
		fmt.Fprintf(w, "warning: %s\n", text)
	}
}

// PrintPlanned is what PrintPlan writes of settings, files and services.
func PrintPlanned(w io.Writer, p *api.Plan) {
	section(w, "settings", p.Edits, printEdit)
	section(w, "files", changedFiles(p), printFile)
	section(w, "services", p.Restarts, printRestart)
}

func section[T any](w io.Writer, title string, items []T, item func(io.Writer, T)) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(w, "%s\n", title)
	for _, i := range items {
		item(w, i)
	}
}

func changedFiles(p *api.Plan) []api.FileChange {
	return slices.DeleteFunc(slices.Clone(p.Files), func(f api.FileChange) bool { return f.Action == api.FileUnchanged })
}

func printEdit(w io.Writer, e api.Edit) {
	switch {
	case SameValue(e):
		fmt.Fprintf(w, "  = %s: %s, as before%s\n", e.Key, RawText(e.After), OfLayer(e))
	case e.Before == nil:
		fmt.Fprintf(w, "  + %s: %s%s\n", e.Key, RawText(e.After), OfLayer(e))
	case e.After == nil:
		fmt.Fprintf(w, "  - %s: %s%s\n", e.Key, RawText(e.Before), OfLayer(e))
	default:
		fmt.Fprintf(w, "  ~ %s: %s → %s%s\n", e.Key, RawText(e.Before), RawText(e.After), OfLayer(e))
	}
}

// SameValue tells whether an edit leaves the setting as it is: the value was set
// again, or only its layer differs. Of secrets nobody can tell.
func SameValue(e api.Edit) bool {
	after := RawText(e.After)
	return RawText(e.Before) == after && after != `"(secret)"`
}

// OfLayer names the layer of an edit if it is not the user's.
func OfLayer(e api.Edit) string {
	if e.Layer == "" || e.Layer == api.LayerUser {
		return ""
	}
	return fmt.Sprintf(" (%s)", e.Layer)
}

// RawText is a JSON value on one line; "-" if there is none.
func RawText(v json.RawMessage) string {
	if v == nil {
		return "-"
	}
	return ValueText(v)
}

func printFile(w io.Writer, f api.FileChange) {
	fmt.Fprintf(w, "  %s %s (mode %s)%s\n", f.Action, f.Path, f.Mode, fileNote(f))
	for line := range strings.Lines(f.Diff) {
		fmt.Fprintf(w, "    %s\n", Line(line))
	}
}

func fileNote(f api.FileChange) string {
	var notes []string
	if f.Hidden {
		notes = append(notes, "it holds secrets, so its differences are not shown")
	}
	if f.Edited {
		notes = append(notes, "edited by hand since it was last written")
	}
	if f.ModeEdited {
		notes = append(notes, "its mode was changed by hand since it was last written")
	}
	if notes == nil {
		return ""
	}
	return ": " + strings.Join(notes, "; ")
}

func printRestart(w io.Writer, r api.Restart) {
	fmt.Fprintf(w, "  restart %s, because of %s\n", r.Service, strings.Join(r.Because, ", "))
	for _, command := range r.Commands {
		fmt.Fprintf(w, "    $ %s\n", OneLine(command))
	}
}

// PrintDiff writes settings as lines of a diff, then the files' diffs as they are.
func PrintDiff(w io.Writer, p *api.Plan) {
	edits := slices.DeleteFunc(slices.Clone(p.Edits), SameValue)
	if len(edits) > 0 {
		fmt.Fprintln(w, "--- settings\n+++ settings")
	}
	for _, e := range edits {
		if e.Before != nil {
			fmt.Fprintf(w, "-%s = %s\n", e.Key, RawText(e.Before))
		}
		if e.After != nil {
			fmt.Fprintf(w, "+%s = %s\n", e.Key, RawText(e.After))
		}
	}
	for _, f := range changedFiles(p) {
		if f.Diff == "" {
			fmt.Fprintf(w, "%s %s (mode %s)%s\n", f.Action, f.Path, f.Mode, fileNote(f))
		}
		fmt.Fprint(w, f.Diff)
	}
}

// ValueText is a value on one line: JSON, with its special characters escaped.
func ValueText(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	plain, err := jsontext.AppendFormat(nil, text)
	if err != nil {
		return string(text)
	}
	return OneLine(string(plain))
}
