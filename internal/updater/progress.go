package updater

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/hostler-os/hostler/internal/api"
)

// maxProgress bounds the file that tells how far a command is, in bytes.
const maxProgress = 64 << 10

// Report tells whoever looks how far the command is. Nothing depends on it.
func (u *Updater) Report(w api.UpdateWork) error {
	text, err := json.Marshal(w)
	if err == nil {
		err = write(u.Root.UpdateProgress(), text)
	}
	if err != nil {
		return fmt.Errorf("tell progress: %w", err)
	}
	return nil
}

// Cancelled tells the command that is under way whether it is asked to stop.
func (u *Updater) Cancelled() bool {
	_, err := os.Stat(u.Root.UpdateCancel())
	return err == nil
}

// forget removes what is said about a command that is over, be it a folder: with
// one in the place of the cancellation, no command would ever get anywhere.
func (u *Updater) forget() error {
	var errs []error
	for _, path := range []string{u.Root.UpdateProgress(), u.Root.UpdateCancel()} {
		errs = append(errs, os.RemoveAll(path))
	}
	return errors.Join(errs...)
}
