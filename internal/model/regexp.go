package model

import (
	"regexp"
	"regexp/syntax"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// lazyRegexp is checked when the model is loaded and compiled when a value
// first meets it: most patterns of a model are not met between two starts.
type lazyRegexp struct {
	expr    string
	compile func() *regexp.Regexp
}

// lazyRegexps is the regexp engine of the schema library, which asks for each
// pattern several times.
func lazyRegexps() jsonschema.RegexpEngine {
	known := map[string]*lazyRegexp{}
	return func(expr string) (jsonschema.Regexp, error) {
		if r, ok := known[expr]; ok {
			return r, nil
		}
		if _, err := syntax.Parse(expr, syntax.Perl); err != nil {
			return nil, err
		}
		r := &lazyRegexp{expr, sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })}
		known[expr] = r
		return r, nil
	}
}

func (r *lazyRegexp) String() string { return r.expr }

func (r *lazyRegexp) MatchString(s string) bool { return r.compile().MatchString(s) }
