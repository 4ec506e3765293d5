package manifest

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Version is a strict semantic version. The zero value is 0.0.0. Versions may be compared with ==.
type Version struct{ v semver.Version }

// ParseVersion parses a strict semantic version: three numbers, no leading v.
func ParseVersion(text string) (Version, error) {
	v, err := semver.StrictNewVersion(text)
	if err != nil || v.String() != text {
		return Version{}, fixed("Invalid version string '%s'", text)
	}
	return Version{*v}, nil
}

// ParseFriendlyVersion is ParseVersion for what people write: one leading v is allowed.
func ParseFriendlyVersion(text string) (Version, error) {
	v, err := ParseVersion(strings.TrimPrefix(text, "v"))
	if err != nil {
		return Version{}, fixed("Invalid version string '%s'", text)
	}
	return v, nil
}

func (v Version) String() string { return v.v.String() }

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
	if c := v.v.Compare(&o.v); c != 0 {
		return c
	}
	return compareBuild(v.v.Metadata(), o.v.Metadata())
}

func compareBuild(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(len(a), len(b))
	}
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		if c := compareIdentifier(as[i], bs[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(as), len(bs))
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
