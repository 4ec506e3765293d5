package template

import (
	"strconv"
)

// scope is what a path starts from inside of a block: the element of an each,
// the value of a with.
type scope struct {
	outer  *scope
	value  any
	inData bool // value is part of the data, not made by a helper or a literal
	locals locals
	params []boundParam
}

// locals are the variables of an each: @index, @key, @first, @last.
type locals struct {
	set         bool
	index       int    // of a list
	key         string // of a map
	list        bool
	first, last bool
}

// boundParam is a block parameter, as |name|.
type boundParam struct {
	name   string
	value  any
	inData bool
}

// argument is an evaluated expression.
type argument struct {
	value   any
	missing bool   // nothing is there; value is nil
	inData  bool   // value is part of the data
	path    string // as written; empty if not a path
}

// at returns the scope a number of levels up, or the innermost where there are not so many.
func (s *scope) at(up int) *scope {
	outer := s
	for range up {
		if outer = outer.outer; outer == nil {
			return s
		}
	}
	return outer
}

func (s *scope) local(name string) (any, bool) {
	l := &s.locals
	if !l.set {
		return nil, false
	}
	switch name {
	case "first":
		return l.first, true
	case "last":
		return l.last, true
	case "index":
		return number(l.index), l.list
	case "key":
		return l.key, !l.list
	}
	return nil, false
}

// param finds a block parameter, innermost first.
func (s *scope) param(name string) *boundParam {
	for ; s != nil; s = s.outer {
		for i := range s.params {
			if s.params[i].name == name {
				return &s.params[i]
			}
		}
	}
	return nil
}

// eval evaluates an argument.
func (r *renderer) eval(e *expr, s span) (argument, error) {
	switch e.kind {
	case exprPath:
		return r.path(&e.path, s)
	case exprLiteral:
		return argument{value: e.literal}, nil
	case exprSub:
		return r.sub(e.sub, s)
	}
	return argument{missing: true, path: e.path.raw}, nil
}

// path looks a path up.
func (r *renderer) path(p *path, s span) (argument, error) {
	if p.local {
		return r.local(p), nil
	}
	value, inData, names := r.start(p)
	for _, name := range names {
		var err error
		if value, err = r.member(value, name, p, s); err != nil {
			return argument{path: p.raw}, err
		}
		if value == absent {
			return argument{missing: true, path: p.raw}, nil
		}
	}
	return argument{value: value, inData: inData, path: p.raw}, nil
}

func (r *renderer) local(p *path) argument {
	scope := r.scope
	for range p.up {
		if scope = scope.outer; scope == nil {
			return argument{missing: true, path: p.raw}
		}
	}
	value, ok := scope.local(p.names[0])
	return argument{value: value, missing: !ok, path: p.raw}
}

// start returns the value that a path starts from, and the names that are left.
func (r *renderer) start(p *path) (value any, inData bool, names []string) {
	if p.root {
		return r.root, true, p.names
	}
	if p.up == 0 && len(p.names) > 0 {
		if b := r.scope.param(p.names[0]); b != nil {
			return b.value, b.inData, p.names[1:]
		}
	}
	scope := r.scope.at(p.up)
	return scope.value, scope.inData, p.names
}

// absent is what member returns for a member that is not there; null is there.
var absent any = new(struct{ _ byte })

// member returns a map's member or a list's element.
func (r *renderer) member(value any, name string, p *path, s span) (any, error) {
	switch value := value.(type) {
	case map[string]any:
		if member, ok := value[name]; ok {
			return member, nil
		}
	case []any:
		i, err := strconv.ParseUint(name, 10, 31)
		if err != nil {
			return nil, r.errorAt(ClassMissing, s, "%s: %q is not an index of a list", p.raw, name)
		}
		if int(i) < len(value) {
			return value[i], nil
		}
	}
	return absent, nil
}

// sub evaluates a call in parentheses. A helper that yields a value keeps its
// type; of one that prints, the printed text is the value.
func (r *renderer) sub(c *call, s span) (argument, error) {
	if err := r.enter(s); err != nil {
		return argument{}, err
	}
	defer r.leave()
	name, err := r.helperName(c)
	if err != nil {
		return argument{}, err
	}
	inv, err := r.invocation(c, name, s)
	if err != nil {
		return argument{}, err
	}
	value, err := inv.yield()
	return argument{value: value}, err
}
