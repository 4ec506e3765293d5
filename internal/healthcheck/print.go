package healthcheck

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/health"
)

func (a *app) print(r health.Report) error {
	return a.format.Print(a.Out, r, func(w io.Writer) { printReport(w, r) })
}

func printReport(w io.Writer, r health.Report) {
	fmt.Fprintln(w, headline(r))
	rows := [][]string{{"  CHECK", "STATE", "TOOK", "MESSAGE"}}
	for _, c := range r.Checks {
		rows = append(rows, []string{"  " + c.Name, string(c.State), c.Took.Round(100 * time.Microsecond).String(), cli.OneLine(c.Message)})
	}
	cli.Table(w, rows)
	for _, c := range r.Checks {
		if c.Output != "" && c.State != health.Good {
			fmt.Fprintf(w, "\n%s printed:\n  %s\n", c.Name, strings.ReplaceAll(c.Output, "\n", "\n  "))
		}
	}
	if r.Decision != "" {
		fmt.Fprintf(w, "\n%s\n", r.Decision)
	}
}

// headline says which boot was judged how.
func headline(r health.Report) string {
	text := string(r.State)
	if r.Version != "" {
		text += ": version " + r.Version
	}
	if r.Slot != "" {
		text += " in slot " + r.Slot
	}
	return text + ", " + cli.Time(r.Finished)
}

func (a *app) history(context.Context) error {
	list, err := health.Reports(a.root)
	if err != nil {
		return err
	}
	if list == nil {
		list = []health.Report{}
	}
	return a.format.Print(a.Out, list, func(w io.Writer) {
		if len(list) == 0 {
			fmt.Fprintln(w, "No boot of this host was judged.")
			return
		}
		for i, r := range list {
			if i > 0 {
				fmt.Fprintln(w)
			}
			printReport(w, r)
		}
	})
}
