package userdata

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/model"
)

// Check is what lint needs of a model: [model.Model.ParseTree].
type Check func(map[string]any) ([]key.Pair, error)

// Lint finds all that is wrong with a document as it arrived, in its order.
func Lint(raw []byte, check Check) api.LintResult {
	result := api.LintResult{Problems: []api.Problem{}}
	document, err := Read(raw)
	switch {
	case err != nil:
		result.Problems = append(result.Problems, ProblemOf(err))
	case document == nil:
		result.Problems = append(result.Problems, api.Problem{
			Severity: api.SeverityWarning, Code: api.CodeInvalid, Message: "it is empty: a boot takes it for no user data",
		})
	default:
		result.Settings, result.Problems = document.Lint(check)
	}
	return result
}

// Lint checks the settings of a document: how many there are, and what is wrong.
func (d *Document) Lint(check Check) (int, []api.Problem) {
	pairs, err := check(d.Settings)
	var refused *model.Error
	if err != nil && !errors.As(err, &refused) {
		return 0, []api.Problem{ProblemOf(err)}
	}
	problems := []api.Problem{}
	if refused != nil {
		for _, v := range refused.Violations {
			problems = append(problems, d.problem(v))
		}
	} else if len(pairs) == 0 {
		problems = append(problems, api.Problem{
			Severity: api.SeverityWarning, Code: api.CodeInvalid, Message: "it has no settings",
		})
	}
	slices.SortStableFunc(problems, func(a, b api.Problem) int {
		return cmp.Or(a.Line-b.Line, a.Column-b.Column)
	})
	return len(pairs), problems
}

// problem places a violation in the document.
func (d *Document) problem(v model.Violation) api.Problem {
	at := d.places.of(v.Key)
	p := api.Problem{
		Severity: api.SeverityError, Code: api.CodeInvalidValue, Key: v.Key,
		Line: at.line, Column: at.column, Type: v.Type, Message: v.Message, Hint: v.Hint,
	}
	if v.Unknown {
		p.Code = api.CodeUnknownKey
	}
	return p
}

// Salvage removes what is refused from a document until the rest is accepted,
// and tells what it removed. A value is refused as a whole: a list for one of
// its elements, a table of an unknown name with all that is in it.
func (d *Document) Salvage(check Check) []api.Problem {
	var all []api.Problem
	for range maxProblems {
		_, problems := d.Lint(check)
		removed := false
		for _, p := range problems {
			if p.Severity == api.SeverityError && d.remove(p.Key) {
				all = append(all, p)
				removed = true
			}
		}
		if !removed {
			if refused(problems) {
				all = append(all, problems...)
				d.Settings = map[string]any{}
			}
			return all
		}
	}
	d.Settings = map[string]any{}
	return all
}

func refused(problems []api.Problem) bool {
	return slices.ContainsFunc(problems, func(p api.Problem) bool { return p.Severity == api.SeverityError })
}

// remove takes the value at a violation's key, or the nearest one around it
// that exists below [settings], out of the document.
func (d *Document) remove(path string) bool {
	table, rest := d.Settings, strings.TrimPrefix(path, "settings")
	for rest != "" {
		name, after := d.member(table, rest)
		if name == "" {
			return false
		}
		if below, ok := table[name].(map[string]any); ok && after != "" {
			if inner, _ := d.member(below, after); inner != "" {
				table, rest = below, after
				continue
			}
		}
		delete(table, name)
		return true
	}
	return false
}

// member finds which member of a table a path such as .ntp.options[0] goes on
// with, and what is left of the path.
func (d *Document) member(table map[string]any, path string) (name, rest string) {
	path = strings.TrimPrefix(path, ".")
	best := -1
	for candidate := range table {
		text := model.NameText(candidate)
		if len(text) <= best || !strings.HasPrefix(path, text) {
			continue
		}
		if after := path[len(text):]; after == "" || after[0] == '.' || after[0] == '[' {
			name, rest, best = candidate, after, len(text)
		}
	}
	return name, rest
}
