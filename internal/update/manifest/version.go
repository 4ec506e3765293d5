package manifest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Version is a strict semantic version. The zero value is 0.0.0. Versions may be compared with ==.
type Version struct {
	numbers    [3]uint64
	pre, build string
}

// maxVersion bounds the text of a version, in bytes.
const maxVersion = 256

// ParseVersion parses a strict semantic version: three numbers, no leading v.
func ParseVersion(text string) (Version, error) {
	var v Version
	rest, build, hasBuild := strings.Cut(text, "+")
	core, pre, hasPre := strings.Cut(rest, "-")
	numbers := strings.Split(core, ".")
	ok := len(text) <= maxVersion && len(numbers) == len(v.numbers) &&
		(!hasPre || identifiers(pre, true)) && (!hasBuild || identifiers(build, false))
	for i := 0; ok && i < len(numbers); i++ {
		n, err := strconv.ParseUint(numbers[i], 10, 64)
		ok = err == nil && strconv.FormatUint(n, 10) == numbers[i]
		v.numbers[i] = n
	}
	if !ok {
		return Version{}, fixed("Invalid version string '%s'", text)
	}
	v.pre, v.build = pre, build
	return v, nil
}

// identifiers tells whether a text is words between dots; strict ones that are
// numbers have no leading zero.
func identifiers(text string, strict bool) bool {
	for word := range strings.SplitSeq(text, ".") {
		if word == "" || strings.Trim(word, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-") != "" ||
			strict && isNumber(word) && len(word) > 1 && word[0] == '0' {
			return false
		}
	}
	return true
}

// ParseFriendlyVersion is ParseVersion for what people write: one leading v is allowed.
func ParseFriendlyVersion(text string) (Version, error) {
	v, err := ParseVersion(strings.TrimPrefix(text, "v"))
	if err != nil {
		return Version{}, fixed("Invalid version string '%s'", text)
	}
	return v, nil
}

func (v Version) String() string {
	text := fmt.Sprintf("%d.%d.%d", v.numbers[0], v.numbers[1], v.numbers[2])
	if v.pre != "" {
		text += "-" + v.pre
	}
	if v.build != "" {
		text += "+" + v.build
	}
	return text
}

// MarshalText writes the version as in a manifest.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText is ParseVersion.
func (v *Version) UnmarshalText(text []byte) (err error) {
	*v, err = ParseVersion(string(text))
	return err
}

// Compare orders versions as the reference does: by precedence, and versions
// of the same precedence by their build metadata, which semver itself ignores.
func (v Version) Compare(o Version) int {
	return cmp.Or(slices.Compare(v.numbers[:], o.numbers[:]), comparePre(v.pre, o.pre), compareBuild(v.build, o.build))
}

// comparePre puts what is not yet a release before the release.
func comparePre(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(len(b), len(a))
	}
	return compareWords(a, b)
}

func compareBuild(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(len(a), len(b))
	}
	return compareWords(a, b)
}

func compareWords(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), compareIdentifier)
}

// compareIdentifier orders numbers by value, below words; equal numbers by their leading zeros.
func compareIdentifier(a, b string) int {
	digitsA, digitsB := isNumber(a), isNumber(b)
	switch {
	case digitsA && digitsB:
		x, y := strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y), cmp.Compare(len(a), len(b)))
	case digitsA:
		return -1
	case digitsB:
		return 1
	}
	return cmp.Compare(a, b)
}

func isNumber(s string) bool { return strings.Trim(s, "0123456789") == "" }

// parseSeed parses the decimal text of an unsigned 32-bit number.
func parseSeed(text string) (uint32, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "+"), 10, 32)
	return uint32(n), err
}
