package template

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// number makes a value of an int.
func number(n int) json.Number { return json.Number(strconv.Itoa(n)) }

// kindOf names a value's type in messages.
func kindOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case json.Number, float64, int, int64:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "a list"
	case map[string]any:
		return "a map"
	}
	return "an unknown type"
}

// asNumber returns a value's number in its written form.
func asNumber(value any) (json.Number, bool) {
	switch n := value.(type) {
	case json.Number:
		return n, true
	case float64:
		return json.Number(strconv.FormatFloat(n, 'g', -1, 64)), true
	case int:
		return number(n), true
	case int64:
		return json.Number(strconv.FormatInt(n, 10)), true
	}
	return "", false
}

// isInteger tells a number without fraction or exponent.
func isInteger(n json.Number) bool { return !strings.ContainsAny(string(n), ".eE") }

// printed is a value as the dialect prints it: strings bare, null as nothing,
// lists as [a, b, ], maps as [object].
func printed(value any) string {
	switch value := value.(type) {
	case nil:
		return ""
	case string:
		return value
	case bool:
		return strconv.FormatBool(value)
	case []any:
		var b strings.Builder
		b.WriteByte('[')
		for _, element := range value {
			b.WriteString(printed(element))
			b.WriteString(", ")
		}
		b.WriteByte(']')
		return b.String()
	case map[string]any:
		return "[object]"
	}
	if n, ok := asNumber(value); ok {
		return printedNumber(n)
	}
	return ""
}

// printedNumber prints integers as written, others in their shortest form with
// a fraction, or with an exponent where they are very large or small.
func printedNumber(n json.Number) string {
	if isInteger(n) {
		return string(n)
	}
	f, err := n.Float64()
	if err != nil || math.IsInf(f, 0) {
		return string(n)
	}
	if a := math.Abs(f); a != 0 && (a < 1e-5 || a >= 1e16) {
		mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
		e, _ := strconv.Atoi(exponent)
		return mantissa + "e" + strconv.Itoa(e)
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// truthy tells whether a condition holds for a value.
func truthy(value any, includeZero bool) bool {
	switch value := value.(type) {
	case nil:
		return false
	case bool:
		return value
	case string:
		return value != ""
	case []any:
		return len(value) > 0
	case map[string]any:
		return len(value) > 0
	}
	n, ok := asNumber(value)
	if !ok {
		return false
	}
	f, _ := n.Float64()
	return includeZero || f != 0
}

// equal compares values; 1 and 1.0 differ, as an integer and a fraction.
func equal(a, b any) bool {
	if x, ok := asNumber(a); ok {
		y, ok := asNumber(b)
		return ok && equalNumbers(x, y)
	}
	switch a := a.(type) {
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, equal)
	case nil, bool, string:
		switch b.(type) {
		case nil, bool, string:
			return a == b
		}
	}
	return false
}

func equalNumbers(a, b json.Number) bool {
	if isInteger(a) != isInteger(b) {
		return false
	}
	if isInteger(a) {
		return a == b
	}
	x, errX := a.Float64()
	y, errY := b.Float64()
	return errX == nil && errY == nil && x == y
}

// sortedKeys returns a map's keys in the order in which the dialect walks them.
func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
