package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hostler-os/hostler/internal/api"
)

// ReadInput reads a file of at most limit bytes; - stands for standard input.
func ReadInput(file string, in io.Reader, limit int64) ([]byte, error) {
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	doc, err := io.ReadAll(io.LimitReader(in, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", file, err)
	case int64(len(doc)) > limit:
		return nil, fmt.Errorf("%s has more than %d bytes", file, limit)
	}
	return doc, nil
}

// errRefused ends a lint that found errors: they are its output.
var errRefused = errors.New("a boot would refuse it")

// PrintLint prints what was found in a file, as compilers do, and fails if a
// boot would refuse it.
func PrintLint(w io.Writer, file string, r api.LintResult, format Format) error {
	if file == "-" {
		file = "standard input"
	}
	if err := format.Print(w, r, func(w io.Writer) { lintTable(w, file, r) }); err != nil {
		return err
	}
	if r.OK() {
		return nil
	}
	return &ExitError{Code: ExitFailed, Err: errRefused}
}

func lintTable(w io.Writer, file string, r api.LintResult) {
	for _, p := range r.Problems {
		place := file
		if p.Line > 0 {
			place = fmt.Sprintf("%s:%d:%d", file, p.Line, p.Column)
		}
		subject := ""
		if p.Key != "" {
			subject = p.Key + ": "
		}
		fmt.Fprintf(w, "%s: %s: %s%s\n", place, p.Severity, subject, p.Message)
		if p.Type != "" {
			fmt.Fprintf(w, "    expected: %s\n", p.Type)
		}
		if p.Hint != "" {
			fmt.Fprintf(w, "    hint: %s\n", p.Hint)
		}
	}
	if len(r.Problems) == 0 {
		fmt.Fprintf(w, "%s: ok, %d settings of variant %s\n", file, r.Settings, r.Variant)
	}
}
