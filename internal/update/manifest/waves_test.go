package manifest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var release = time.Date(2024, 10, 24, 18, 0, 0, 0, time.UTC)

func named(t testing.TB, name string) Waves {
	t.Helper()
	p, err := NamedPolicy(name)
	if err != nil {
		t.Fatal(err)
	}
	w, err := p.At(release)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// The worked examples of the reference's description. An offset of -1 stands for "always".
func TestDue(t *testing.T) {
	at := func(h, m, s int) time.Duration {
		return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second
	}
	const always = -1
	tests := []struct {
		policy               string
		seed                 uint32
		kind                 Kind
		number               int
		reference, corrected time.Duration
	}{
		{"default", 0, Initial, 1, always, always},
		{"default", 1, General, 1, at(1, 9, 0), at(1, 9, 0)},
		{"default", 20, General, 1, at(4, 0, 0), at(4, 0, 0)},
		{"default", 21, General, 2, at(9, 7, 19), at(4, 14, 38)},
		{"default", 61, General, 2, at(18, 52, 40), at(13, 59, 59)},
		{"default", 103, General, 3, at(36, 3, 30), at(24, 7, 1)},
		{"default", 246, General, 3, at(48, 0, 0), at(40, 51, 30)},
		{"default", 308, General, 4, at(76, 52, 30), at(48, 5, 37)},
		{"default", 820, General, 5, at(120, 0, 0), at(96, 3, 31)},
		{"default", 1639, General, 6, at(144, 0, 0), at(136, 2, 20)},
		{"default", 1844, Last, 7, at(144, 0, 0), at(144, 0, 0)},
		{"default", 2047, Last, 7, at(144, 0, 0), at(144, 0, 0)},
		{"default", 4294967295, Last, 7, at(144, 0, 0), at(144, 0, 0)}, // the reference panics
		{"accelerated", 62, General, 2, at(5, 20, 52), at(4, 1, 18)},
		{"accelerated", 246, General, 3, at(11, 25, 42), at(8, 0, 50)},
		{"accelerated", 600, General, 3, at(16, 0, 0), at(12, 56, 51)},
		{"accelerated", 1639, Last, 5, at(24, 0, 0), at(24, 0, 0)},
		{"accelerated", 2047, Last, 5, at(24, 0, 0), at(24, 0, 0)},
		{"slow-roll", 21, General, 2, at(36, 17, 33), at(24, 35, 7)},
		{"slow-roll", 308, General, 4, at(196, 52, 30), at(168, 5, 37)},
	}
	for _, test := range tests {
		w := named(t, test.policy)
		p := w.Place(test.seed)
		if p.Kind != test.kind || p.Number != test.number || p.Of != len(w) {
			t.Errorf("%s, seed %d: %+v", test.policy, test.seed, p)
		}
		check := func(name string, got time.Time, want time.Duration) {
			offset := got.Sub(release).Truncate(time.Second)
			if got.IsZero() {
				offset = always
			}
			if offset != want {
				t.Errorf("%s, seed %d, %s: %v, want %v", test.policy, test.seed, name, offset, want)
			}
		}
		check("corrected", p.Due, test.corrected)
		check("reference", w.ReferenceDue(test.seed), test.reference)
	}
}

func TestPolicies(t *testing.T) {
	seeds := map[string][]uint32{
		"default":     {0, 20, 102, 307, 819, 1228, 1843},
		"accelerated": {0, 61, 245, 819, 1638},
		"slow-roll":   {0, 20, 102, 307, 819, 1228, 1843},
		"ohno":        {0, 102, 512, 1024, 1843},
	}
	for _, name := range PolicyNames() {
		var got []uint32
		for _, w := range named(t, name) {
			got = append(got, w.Seed)
		}
		if diff := cmp.Diff(got, seeds[name]); diff != "" {
			t.Errorf("%s (-got +want):\n%s", name, diff)
		}
	}
	if first := named(t, "ohno")[0].Start; first != release.Add(30*time.Minute) {
		t.Errorf("ohno begins at %s", first)
	}
}

func TestPolicyRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"[[waves]]\nstart_after = \"1 hour\"\nfleet_percentage = 0\n":   "`fleet_percentage` must be a value between 1 - 100: value provided: 0",
		"[[waves]]\nstart_after = \"1 hour\"\nfleet_percentage = 101\n": "`fleet_percentage` must be a value between 1 - 100: value provided: 101",
		"[[waves]]\nstart_after = \"1 year\"\nfleet_percentage = 5\n":   `"1 year" is not an offset as in "4 hours": a number and minutes, hours, days or weeks`,
	} {
		p, err := ParsePolicy([]byte(text))
		if err == nil {
			_, err = p.At(release)
		}
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	back := Policy{Waves: []PolicyWave{{"2 hours", 5}, {"1 hour", 100}}}
	if _, err := back.At(release); !errors.Is(err, ErrUnordered) {
		t.Errorf("a later wave that starts earlier: %v", err)
	}
	same := Policy{Waves: []PolicyWave{{"1 hour", 5}, {"2 hours", 5}, {"3 hours", 100}}}
	if got, err := same.At(release); err != nil || len(got) != 2 || got[1].Start != release.Add(3*time.Hour) {
		t.Errorf("waves at the same seed: %v, %v", got, err)
	}
}

func TestParseOffset(t *testing.T) {
	good := map[string]time.Duration{
		"1 hour": time.Hour, "in 4 hours": 4 * time.Hour, "7  days": 168 * time.Hour, "2 weeks": 336 * time.Hour, "0 hours": 0, "30 minutes": 30 * time.Minute,
	}
	for text, want := range good {
		if got, err := ParseOffset(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "hours", "1", "in 1", "-1 hours", "1.5 hours", "one hour", "1 hours later", "after 1 hour", "1 month", "4294967296 hours", "99999999 weeks", "0x10 hours"} {
		if got, err := ParseOffset(text); err == nil {
			t.Errorf("%q was accepted as %v", text, got)
		}
	}
	if got, err := ParseTime("in 1 day", release); err != nil || got != release.Add(24*time.Hour) {
		t.Errorf("in 1 day: %v, %v", got, err)
	}
	if got, err := ParseTime("2030-01-01T01:00:00+01:00", release); err != nil || !got.Equal(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("a time: %v, %v", got, err)
	}
}

func TestRapidPlace(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var w Waves
		for _, seed := range rapid.SliceOfNDistinct(rapid.Uint32Range(0, 3000), 0, 6, rapid.ID).Draw(rt, "seeds") {
			i, _ := w.search(seed)
			w = append(w[:i:i], append(Waves{{Seed: seed}}, w[i:]...)...)
		}
		start := release
		for i := range w {
			start = start.Add(time.Duration(rapid.Int64Range(1, 1e18).Draw(rt, "after")))
			w[i].Start = start
		}
		seed := rapid.Uint32Range(0, 4000).Draw(rt, "seed")
		p, reference := w.Place(seed), w.ReferenceDue(seed)
		if next := w.Place(seed + 1); !p.Due.IsZero() && next.Due.Before(p.Due) {
			rt.Errorf("seed %d is due at %s, the next at %s", seed, p.Due, next.Due)
		}
		if reference.Before(p.Due) {
			rt.Errorf("the reference would be ready at %s, before %s", reference, p.Due)
		}
		if p.Kind == General && (p.Due.Before(p.Start) || p.Due.After(p.End)) {
			rt.Errorf("%+v", p)
		}
		if p.Ready(p.Due.Add(-1)) != p.Due.IsZero() || !p.Ready(p.Due) {
			rt.Errorf("not ready exactly from %s on", p.Due)
		}
	})
}

// A hostile manifest may have waves in any order.
func TestUnorderedWaves(t *testing.T) {
	w := Waves{{0, release}, {10, release.Add(-time.Hour)}, {4294967295, release}}
	if p := w.Place(5); p.Due != release.Add(-time.Hour) || p.Of != 2 {
		t.Errorf("%+v", p)
	}
	if !errors.Is(w.Check(), ErrUnordered) {
		t.Error("they were found ordered")
	}
}

func FuzzParsePolicy(f *testing.F) {
	f.Add([]byte("[[waves]]\nstart_after = \"in 1 hour\"\nfleet_percentage = 5\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParsePolicy(text)
		if err != nil {
			return
		}
		if w, err := p.At(release); err == nil {
			w.Place(1000)
		}
	})
}
