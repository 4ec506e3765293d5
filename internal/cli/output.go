package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/go-json-experiment/json/jsontext"
)

// Format is the value of an option -o: how a command prints its result.
type Format string

// The formats. Table is for people, and the only one that may change.
const (
	FormatTable Format = "table"
	FormatJSON  Format = "json"
	FormatYAML  Format = "yaml"
)

// Formats lists them as --help and completion show them.
var Formats = []string{string(FormatTable), string(FormatJSON), string(FormatYAML)}

func (f *Format) String() string { return string(*f) }

// Type is the word for the value in --help.
func (f *Format) Type() string { return "FORMAT" }

// Set makes a Format a flag's value.
func (f *Format) Set(text string) error {
	for _, name := range Formats {
		if name == text {
			*f = Format(name)
			return nil
		}
	}
	return fmt.Errorf("must be one of %s", strings.Join(Formats, ", "))
}

// Print writes v as JSON or YAML, or calls table for people.
func (f Format) Print(w io.Writer, v any, table func(io.Writer)) error {
	if f == FormatTable {
		var b bytes.Buffer
		table(&b)
		_, err := io.WriteString(w, shown(w, b.String()))
		return err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if f == FormatYAML {
		text, err = YAML(text)
	} else {
		text, err = IndentJSON(text)
	}
	if err != nil {
		return err
	}
	_, err = JSON(w).Write(text)
	return err
}

// IndentJSON formats one JSON document with two spaces a level, no escapes but
// the necessary ones, and a final newline. It refuses invalid UTF-8 and duplicate names.
func IndentJSON(doc []byte) ([]byte, error) {
	text, err := jsontext.AppendFormat(nil, doc, jsontext.Multiline(true), jsontext.WithIndent("  "))
	if err != nil {
		return nil, err
	}
	return append(text, '\n'), nil
}

// Table writes rows in aligned columns, the first row being the headings.
func Table(w io.Writer, rows [][]string) {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	t.Flush()
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
}
