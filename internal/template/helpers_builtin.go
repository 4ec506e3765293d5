package template

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// builtins are the helpers of the dialect itself. More arguments than they take are ignored.
var builtins = []helper{
	{name: "if", min: 1, max: -1, block: func(inv *invocation) error { return inv.condition(false) }},
	{name: "unless", min: 1, max: -1, block: func(inv *invocation) error { return inv.condition(true) }},
	{name: "each", min: 1, max: -1, block: each},
	{name: "with", min: 1, max: -1, block: with},
	{name: "raw", max: -1, block: func(inv *invocation) error { return inv.body(false) }},
	{name: "log", max: -1, block: logNothing},
	{name: "lookup", min: 2, max: -1, value: lookup},
	{name: "len", min: 1, max: -1, value: length},
	{name: "eq", min: 2, max: -1, value: compare(func(a, b any) bool { return equal(a, b) })},
	{name: "ne", min: 2, max: -1, value: compare(func(a, b any) bool { return !equal(a, b) })},
	{name: "and", min: 2, max: -1, value: junction(false)},
	{name: "or", min: 2, max: -1, value: junction(true)},
	{name: "gt", min: 2, max: -1, value: order(func(a, b int64) bool { return a > b })},
	{name: "gte", min: 2, max: -1, value: order(func(a, b int64) bool { return a >= b })},
	{name: "lt", min: 2, max: -1, value: order(func(a, b int64) bool { return a < b })},
	{name: "lte", min: 2, max: -1, value: order(func(a, b int64) bool { return a <= b })},
	{name: "not", min: 1, max: -1, value: not},
}

// condition renders the body or the else branch: if and unless.
func (inv *invocation) condition(negated bool) error {
	includeZero, _ := inv.hash["includeZero"].value.(bool)
	return inv.body(truthy(inv.args[0].value, includeZero) == negated)
}

// each renders the body for every element of a list or a map, a map's in the
// order of its keys; the else branch, if there is one, for anything empty.
func each(inv *invocation) error {
	if inv.block == nil {
		return nil
	}
	switch value := inv.args[0].value.(type) {
	case []any:
		if len(value) > 0 || inv.block.inverse == nil {
			return inv.eachElement(value)
		}
	case map[string]any:
		if len(value) > 0 || inv.block.inverse == nil {
			return inv.eachMember(value)
		}
	}
	if inv.block.inverse != nil {
		return inv.body(true)
	}
	return inv.nothing("a list or a map")
}

// nothing is the error for an argument that a block has no use for.
func (inv *invocation) nothing(wanted string) error {
	arg := inv.args[0]
	if arg.missing {
		return inv.r.missingError(inv.span, arg.path)
	}
	return inv.r.errorAt(ClassMissing, inv.span, "%s: expected %s, found %s", inv.describe(0), wanted, kindOf(arg.value))
}

func (inv *invocation) eachElement(list []any) error {
	for i, element := range list {
		l := locals{set: true, list: true, index: i, first: i == 0, last: i == len(list)-1}
		if err := inv.turn(element, number(i), l); err != nil {
			return err
		}
	}
	return nil
}

func (inv *invocation) eachMember(m map[string]any) error {
	for i, key := range sortedKeys(m) {
		l := locals{set: true, key: key, first: i == 0, last: i == len(m)-1}
		if err := inv.turn(m[key], key, l); err != nil {
			return err
		}
	}
	return nil
}

// turn renders the body once, with an element in scope.
func (inv *invocation) turn(element, key any, l locals) error {
	inData := inv.args[0].inData
	s := &scope{value: element, inData: inData, locals: l}
	if names := inv.block.params; len(names) > 0 {
		s.params = append(s.params, boundParam{names[0], element, inData})
		if len(names) > 1 {
			s.params = append(s.params, boundParam{names[1], key, false})
		}
	}
	return inv.r.counted(inv.span, func() error { return inv.within(s) })
}

// within renders the body in a scope of its own.
func (inv *invocation) within(s *scope) error {
	outer := inv.r.scope
	s.outer = outer
	inv.r.scope = s
	err := inv.body(false)
	inv.r.scope = outer
	return err
}

// with renders the body with a value in scope, the else branch if there is no value or nothing in it.
func with(inv *invocation) error {
	arg := inv.args[0]
	if !truthy(arg.value, false) {
		if inv.block != nil && inv.block.inverse != nil {
			return inv.body(true)
		}
		return inv.nothing("a value")
	}
	s := &scope{value: arg.value, inData: arg.inData}
	if b := inv.block; b != nil && len(b.params) == 1 {
		s.params = []boundParam{{b.params[0], arg.value, arg.inData}}
	}
	return inv.within(s)
}

// logNothing checks what log checks. The arguments are settings, which no log may have.
func logNothing(inv *invocation) error {
	level, ok := inv.hash["level"].value.(string)
	if !ok {
		return nil
	}
	switch strings.ToLower(level) {
	case "error", "warn", "info", "debug", "trace":
		return nil
	}
	return inv.fail("helper log: level is none of error, warn, info, debug, trace")
}

// lookup yields a list's element or a map's member, which has to be there.
func lookup(inv *invocation) (any, error) {
	var found any
	switch collection := inv.args[0].value.(type) {
	case []any:
		if n, ok := asNumber(inv.args[1].value); ok {
			if i, err := strconv.ParseUint(string(n), 10, 31); err == nil && int(i) < len(collection) {
				found = collection[i]
			}
		}
	case map[string]any:
		if key, ok := inv.args[1].value.(string); ok {
			found = collection[key]
		}
	}
	if found == nil {
		return nil, inv.r.errorAt(ClassMissing, inv.span, "helper lookup: nothing found in %s", inv.describe(0))
	}
	return found, nil
}

// present returns argument i, which has to be there; it may be null.
func (inv *invocation) present(i int) (any, error) {
	if inv.args[i].missing {
		return nil, fmt.Errorf("%s: no value", inv.describe(i))
	}
	return inv.args[i].value, nil
}

// length yields a list's or a map's number of elements, a string's number of bytes, 0 for others.
func length(inv *invocation) (any, error) {
	value, err := inv.present(0)
	switch value := value.(type) {
	case []any:
		return number(len(value)), err
	case map[string]any:
		return number(len(value)), err
	case string:
		return number(len(value)), err
	}
	return number(0), err
}

func not(inv *invocation) (any, error) {
	value, err := inv.present(0)
	return !truthy(value, false), err
}

// compare makes a helper of a relation of two values.
func compare(holds func(a, b any) bool) func(*invocation) (any, error) {
	return func(inv *invocation) (any, error) {
		a, errA := inv.present(0)
		b, errB := inv.present(1)
		return holds(a, b), cmp.Or(errA, errB)
	}
}

// junction makes a helper of two values that yields decisive if the first is
// as true or false as that; then the second need not be there, so that a
// template can name what only some of its cases have.
func junction(decisive bool) func(*invocation) (any, error) {
	return func(inv *invocation) (any, error) {
		a, err := inv.present(0)
		if err != nil || truthy(a, false) == decisive {
			return decisive, err
		}
		b, err := inv.present(1)
		return truthy(b, false), err
	}
}

// order makes a helper of a relation of two integers.
func order(holds func(a, b int64) bool) func(*invocation) (any, error) {
	return func(inv *invocation) (any, error) {
		a, errA := inv.integer(0)
		b, errB := inv.integer(1)
		return holds(a, b), cmp.Or(errA, errB)
	}
}

// integer returns argument i, which has to be an integer.
func (inv *invocation) integer(i int) (int64, error) {
	value, err := inv.present(i)
	if err != nil {
		return 0, err
	}
	n, ok := asNumber(value)
	if !ok {
		return 0, inv.expected(i, "an integer")
	}
	integer, err := json.Number(n).Int64()
	if err != nil {
		return 0, fmt.Errorf("%s: expected an integer of at most 64 bits", inv.describe(i))
	}
	return integer, nil
}
