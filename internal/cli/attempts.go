package cli

import (
	"cmp"
	"fmt"
	"io"

	"github.com/hostler-os/hostler/internal/api"
)

// Unjudged says of an attempt that failed to boot, and left no error, why that is.
const Unjudged = "it did not come as far as being judged"

// Attempts prints updates that were tried on this host, in the order given.
func Attempts(w io.Writer, list []api.UpdateAttempt) {
	if len(list) == 0 {
		fmt.Fprintln(w, "No update was tried on this host.")
		return
	}
	rows := [][]string{{"ID", "STARTED", "FROM", "TO", "SLOT", "STATE", "STEP", "ERROR"}}
	for _, t := range list {
		why := t.Error
		if t.State == api.AttemptBootFailed {
			why = cmp.Or(why, Unjudged)
		}
		rows = append(rows, []string{
			fmt.Sprint(t.ID), Time(t.Started), t.From, t.Version, t.Slot, string(t.State), t.Step, OneLine(why),
		})
	}
	Table(w, rows)
}
