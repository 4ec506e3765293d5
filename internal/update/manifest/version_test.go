package manifest_test

import (
	"testing"

	"github.com/Masterminds/semver/v3"
	"pgregory.net/rapid"

	"github.com/hostler-os/hostler/internal/update/manifest"
)

// texts are versions, and what is nearly one.
var texts = rapid.OneOf(
	rapid.StringMatching(`(0|[1-9][0-9]{0,2})\.[0-3]\.[0-3](-(0|1|10|a|B|-|a1)(\.(0|2|x))?)?(\+(0|01|b)(\.c)?)?`),
	rapid.StringMatching(`v?[0-9]{1,2}(\.[0-9]{1,2}){0,3}(-[0-9a.]{0,4})?(\+[0-9a_.]{0,4})?`),
	rapid.SampledFrom([]string{"", "1.2.18446744073709551616", "1.2.18446744073709551615", "1.2.3-01", "1.2.3-0a", "1.2.3+", "1.2.3-", "1.2.3-é", "1.2.3-a..b"}),
)

// TestVersionsAgree compares with a library: what is a version, and which is newer.
func TestVersionsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := texts.Draw(t, "a"), texts.Draw(t, "b")
		ours, err := manifest.ParseVersion(a)
		theirs, wrong := semver.StrictNewVersion(a)
		if (err == nil) != (wrong == nil) {
			t.Fatalf("%q: %v, the library says %v", a, err, wrong)
		}
		other, err := manifest.ParseVersion(b)
		if wrong != nil || err != nil {
			return
		}
		want, got := theirs.Compare(semver.MustParse(b)), ours.Compare(other)
		if ours.String() != a || want != 0 && got != want {
			t.Fatalf("%s and %s: %d, the library says %d", ours, other, got, want)
		}
	})
}
