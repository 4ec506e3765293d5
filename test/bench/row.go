package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// row is one line of the table; floor and ratio may be empty.
type row struct {
	what, floor, ours, ratio, aim string
	ok                            bool
}

func printTable(w io.Writer, rows []row) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "WHAT\tFLOOR\tOURS\tRATIO\tAIM\tOK")
	missed := 0
	for _, r := range rows {
		verdict := "yes"
		if !r.ok {
			verdict = "MISSED"
			missed++
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", r.what, r.floor, r.ours, r.ratio, r.aim, verdict)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if missed > 0 {
		fmt.Fprintf(w, "\n!!! %d of %d budgets missed\n", missed, len(rows))
	}
	return nil
}

func median[T int64 | float64 | time.Duration](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}

// pair is a floor and a subject, timed in turns.
type pair struct{ floor, ours []time.Duration }

// inTurns times both n times; each gets the turn's number.
func inTurns(n int, floor, ours func(int) error) (pair, error) {
	var p pair
	for i := range n {
		for _, side := range []struct {
			act   func(int) error
			times *[]time.Duration
		}{{floor, &p.floor}, {ours, &p.ours}} {
			start := time.Now()
			if err := side.act(i); err != nil {
				return pair{}, err
			}
			*side.times = append(*side.times, time.Since(start))
		}
	}
	return p, nil
}

// atMost is the row of a pair whose ratio may not exceed limit.
func (p pair) atMost(what string, limit float64) row {
	floor, ours := median(p.floor), median(p.ours)
	ratio := float64(ours) / float64(floor)
	return row{
		what: what, floor: duration(floor), ours: duration(ours),
		ratio: fmt.Sprintf("%.2f", ratio), aim: fmt.Sprintf("≤ %.1f", limit), ok: ratio <= limit,
	}
}

func duration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.1f µs", float64(d.Nanoseconds())/1e3)
	default:
		return fmt.Sprintf("%.2f ms", float64(d.Nanoseconds())/1e6)
	}
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// below is the row of an absolute size that has to stay under a limit.
func below(what string, n, limit int64) row {
	return row{what: what, ours: mebibytes(n), aim: "< " + mebibytes(limit), ok: n < limit}
}

// within is the row of a duration that may not exceed a limit.
func within(what string, took, limit time.Duration) row {
	return row{what: what, ours: duration(took), aim: "≤ " + duration(limit), ok: took <= limit}
}
