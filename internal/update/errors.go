package update

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// Hint finds what a person can do about an error of an update; empty if nothing is known.
func Hint(err error) string {
	for _, h := range hints {
		if errors.Is(err, h.err) {
			return h.text
		}
	}
	if gap, ok := errors.AsType[*manifest.GapError](err); ok {
		return gap.Hint()
	}
	if e, ok := errors.AsType[*api.Error](err); ok {
		return e.Hint
	}
	return tufrepo.Hint(err)
}

const noSpace = "free some space on the disk with that file, on hosts that of /var/lib/hostler: df tells how much there is"

var hints = []struct {
	err  error
	text string
}{
	{syscall.ENOSPC, noSpace},
	{syscall.EDQUOT, noSpace},
	{ErrSpace, noSpace},
	{syscall.EROFS, "the disk is mounted without writing: dmesg tells whether an error did that"},
}

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
