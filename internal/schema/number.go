package schema

import (
	"encoding/json"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// number is a number of JSON: a whole one of 64 bits exactly, any other as float64.
type number struct {
	whole    bool
	negative bool
	size     uint64 // of a whole one, without its sign
	float    float64
}

// numberOf reads a number; ok is false for anything else.
func numberOf(v any) (n number, ok bool) {
	switch v := v.(type) {
	case int64:
		return wholeNumber(v < 0, magnitude(v)), true
	case json.Number:
		return parseNumber(string(v))
	}
	return number{}, false
}

func magnitude(i int64) uint64 {
	if i < 0 {
		return -uint64(i)
	}
	return uint64(i)
}

func wholeNumber(negative bool, size uint64) number {
	f := float64(size)
	if negative {
		f = -f
	}
	return number{true, negative && size > 0, size, f}
}

func parseNumber(text string) (number, bool) {
	digits, negative := strings.CutPrefix(text, "-")
	if size, err := strconv.ParseUint(digits, 10, 64); err == nil {
		return wholeNumber(negative, size), true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return number{}, false
	}
	if f == math.Trunc(f) && math.Abs(f) <= 1<<53 {
		return wholeNumber(f < 0, uint64(math.Abs(f))), true
	}
	return number{float: f, negative: f < 0}, true
}

// compare is negative if n is less than m, positive if it is more.
func (n number) compare(m number) int {
	if !n.whole || !m.whole {
		return compareFloats(n.float, m.float)
	}
	switch {
	case n.negative != m.negative:
		return sign(!n.negative)
	case n.size == m.size:
		return 0
	}
	return sign((n.size > m.size) != n.negative)
}

func compareFloats(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func sign(positive bool) int {
	if positive {
		return 1
	}
	return -1
}

// multipleOf tells whether n is m times a whole number, in decimal: 0.3 is 3 times 0.1.
func (n number) multipleOf(m number) bool {
	if n.whole && m.whole {
		return n.size%m.size == 0
	}
	return new(big.Rat).Quo(n.decimal(), m.decimal()).IsInt()
}

// decimal is the shortest decimal number that is this float64. Its exponent has three digits at most.
func (n number) decimal() *big.Rat {
	r, _ := new(big.Rat).SetString(n.text())
	return r
}

// text is the same for equal numbers.
func (n number) text() string {
	if n.whole {
		text := strconv.FormatUint(n.size, 10)
		if n.negative {
			text = "-" + text
		}
		return text
	}
	return strconv.FormatFloat(n.float, 'g', -1, 64)
}

// canonical is the same text for equal values, and for no others.
func canonical(v any) string {
	var b strings.Builder
	writeCanonical(&b, v)
	return b.String()
}

func writeCanonical(b *strings.Builder, v any) {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case string:
		b.WriteString(strconv.Quote(v))
	case []any:
		b.WriteByte('[')
		for _, item := range v {
			writeCanonical(b, item)
			b.WriteByte(',')
		}
		b.WriteByte(']')
	case map[string]any:
		b.WriteByte('{')
		for _, name := range sortedNames(v) {
			b.WriteString(strconv.Quote(name) + ":")
			writeCanonical(b, v[name])
			b.WriteByte(',')
		}
		b.WriteByte('}')
	default:
		n, _ := numberOf(v)
		b.WriteString(n.text())
	}
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
