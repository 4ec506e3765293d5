package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/hostler-os/hostler/internal/api"
)

// PrintMisfits tells people which values a model refuses, each reason once with
// all that have it. what begins the lines, behind their indentation.
func PrintMisfits(w io.Writer, what string, list []api.Misfit) {
	indent := strings.Repeat(" ", len(what)-len(strings.TrimLeft(what, " ")))
	told := map[string]bool{}
	for _, same := range byReason(list) {
		first := same[0]
		message := tellOnce(first.Message, told)
		if len(same) == 1 {
			fmt.Fprintf(w, "%s: %s (%s): %s\n", what, first.Key, first.Layer, strings.TrimPrefix(message, first.Key+": "))
		} else {
			fmt.Fprintf(w, "%s: %s\n", what, message)
			for _, m := range same {
				fmt.Fprintf(w, "%s  %s (%s)\n", indent, m.Key, m.Layer)
			}
		}
		if first.Hint != "" {
			fmt.Fprintf(w, "%s  hint: %s\n", indent, first.Hint)
		}
	}
}

// byReason puts together what has the same message, in the order of the first of each.
func byReason(list []api.Misfit) [][]api.Misfit {
	var groups [][]api.Misfit
	at := map[string]int{}
	for _, m := range list {
		n, ok := at[m.Message]
		if !ok {
			n = len(groups)
			at[m.Message] = n
			groups = append(groups, nil)
		}
		groups[n] = append(groups[n], m)
	}
	return groups
}

// tellOnce leaves out what was expected if that was told before.
func tellOnce(message string, told map[string]bool) string {
	short, expected, ok := strings.Cut(message, ", expected one of ")
	if !ok || !told[expected] {
		told[expected] = true
		return message
	}
	return short
}
