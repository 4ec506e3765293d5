package cli

import (
	"errors"
	"fmt"
	"path/filepath"
)

// SetRoot is the function of an option --root. The folder's name becomes
// absolute, for programs that are run have another working folder.
func SetRoot[Text ~string](root *Text) func(string) error {
	return func(text string) error {
		if text == "" {
			return errors.New("it is empty")
		}
		abs, err := filepath.Abs(text)
		if err != nil {
			return fmt.Errorf("find root: %w", err)
		}
		*root = Text(abs)
		return nil
	}
}
