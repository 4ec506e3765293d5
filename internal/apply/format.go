package apply

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"

	"github.com/hostler-os/hostler/internal/template"
)

// checkFormat reads a rendered file as whoever it is for will. A template that
// escapes for the format that its file's name has cannot be broken by what a
// value contains, but by values that do not go together: a list that names a
// registry twice makes a table that TOML has twice, and the reader then has
// nothing at all. Other files are what their template says.
func checkFormat(escape template.Escape, file string, text []byte) error {
	switch {
	case escape == template.EscapeTOML && path.Ext(file) == ".toml":
		if err := checkTOML(text); err != nil {
			return fmt.Errorf("the file would be no valid TOML: %w", err)
		}
	case escape == template.EscapeJSON && path.Ext(file) == ".json":
		if !json.Valid(text) {
			return errors.New("the file would be no valid JSON")
		}
	}
	return nil
}
