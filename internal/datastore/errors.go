package datastore

import (
	"errors"
	"fmt"

	"github.com/hostler-os/hostler/internal/api"
)

// ErrClosed is returned for a store that has been closed.
var ErrClosed = errors.New("datastore is closed")

// ErrNoChange is returned when there is no change with the id asked for, or no more.
var ErrNoChange = errors.New("no such change")

// ErrHeld is returned by Open while another process has the store open.
var ErrHeld = errors.New("another apiserver holds the datastore")

// ErrFormat is returned by Open for a file that another version of the suite wrote
// and this one cannot read. The file is left as it is.
var ErrFormat = errors.New("datastore has a format of another version")

// Limits. They keep the file, the memory and the copies small, whatever callers do.
const (
	maxName         = 1024     // bytes of the name of a transaction
	maxTransactions = 1000     // pending at the same time
	maxPending      = 16 << 20 // bytes of all pending settings
	maxValue        = 4 << 20  // bytes of one value
	maxValues       = 64 << 20 // bytes of all settings of all layers
	maxRecord       = 16 << 20 // bytes of the record of a change or a file
	maxFiles        = 16 << 20 // bytes of all records of files
	maxPath         = 4096     // bytes of a file's path

	keepHistory      = 10000    // commits
	keepHistoryBytes = 32 << 20 // …
	keepChanges      = 1000     // final ones
	keepChangesBytes = 32 << 20 // of final and open ones
)

func tooLarge(hint, format string, args ...any) error {
	return &api.Error{Code: api.CodeTooLarge, Message: fmt.Sprintf(format, args...), Hint: hint}
}

func invalid(format string, args ...any) error {
	return &api.Error{Code: api.CodeInvalid, Message: fmt.Sprintf(format, args...)}
}
