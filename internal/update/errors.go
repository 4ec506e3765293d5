package update

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/hostler-os/hostler/internal/api"
)

// fixed is fmt.Errorf for the texts that the reference's users know, which
// begin with a capital letter.
func fixed(format string, args ...any) error { return fmt.Errorf(format, args...) }

// missing is what to do if err says that a file is not there; else it is err.
func missing(err error, hint string) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return &api.Error{Code: api.CodeNotFound, Message: err.Error(), Hint: hint}
}
