package manifest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func offering(t testing.TB, max string, versions ...string) *Manifest {
	m := new(Manifest)
	for _, v := range versions {
		m.Updates = append(m.Updates, Update{Variant: "v", Arch: "x86_64", Version: version(t, v), MaxVersion: version(t, max)})
	}
	return m
}

func host(t testing.TB, current, lock, forced string) Host {
	h := Host{Variant: "v", Arch: "x86_64", Version: version(t, current), Lock: lock, Seed: 7, Now: release}
	if forced != "" {
		v := version(t, forced)
		h.Forced = &v
	}
	return h
}

// The worked examples of the reference's description, and those of its tests.
func TestChoose(t *testing.T) {
	three := []string{"1.1.0", "1.2.0", "1.3.0"}
	tests := []struct {
		name, max             string
		versions              []string
		current, lock, forced string
		want                  string
	}{
		{"newest", "1.3.0", three, "1.1.0", "latest", "", "1.3.0"},
		{"above maximum", "1.2.0", three, "1.1.0", "latest", "", "1.2.0"},
		{"automatic downgrade", "1.2.0", three, "1.3.0", "latest", "", "1.2.0"},
		{"up to date", "1.3.0", three, "1.3.0", "latest", "", ""},
		{"downgrade by lock", "1.3.0", three, "1.3.0", "v1.1.0", "", "1.1.0"},
		{"locked to what runs", "1.3.0", three, "1.1.0", "1.1.0", "", ""},
		{"locked above maximum", "1.2.0", three, "1.1.0", "1.3.0", "", ""},
		{"forced to what runs", "1.3.0", three, "1.3.0", "latest", "1.3.0", "1.3.0"},
		{"forced beside the lock", "1.3.0", three, "1.3.0", "1.3.0", "1.1.0", "1.1.0"},
		{"forced, a lock that is none", "1.3.0", three, "1.3.0", "nonsense", "1.1.0", "1.1.0"},
		{"forced, not there", "1.3.0", three, "1.3.0", "latest", "1.4.0", ""},
		{"pre-release runs", "1.3.0", three, "1.3.0-rc1", "latest", "", "1.3.0"},
		{"all above maximum", "1.20.0", []string{"1.25.0"}, "1.10.0", "latest", "", ""},
		{"older versions", "0.1.2", []string{"0.1.1", "0.1.2"}, "0.1.3", "latest", "", "0.1.2"},
		{"empty", "1.0.0", nil, "1.0.0", "latest", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := offering(t, test.max, test.versions...).Choose(host(t, test.current, test.lock, test.forced))
			got := ""
			if u, ok := c.Chosen(); ok {
				got = u.Version.String()
			}
			if err != nil || got != test.want {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
	_, err := offering(t, "1.0.0").Choose(host(t, "1.0.0", "bad", ""))
	if want := "Bad version string 'bad' in config: Invalid version string 'bad'"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestEveryReleaseIsExplained(t *testing.T) {
	m := offering(t, "1.4.0", "1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0", "1.5.0")
	m.Updates = append(m.Updates, m.Updates[2], m.Updates[2])
	m.Updates[6].Variant, m.Updates[7].Arch = "other", "aarch64"
	m.Updates[4].Waves = Waves{{0, release.Add(time.Hour)}, {14, release.Add(3 * time.Hour)}}
	h := host(t, "1.1.0", "latest", "")
	h.Failed = func(u Update) string {
		if u.Version.String() == "1.3.0" {
			return "it did not boot on 2024-10-20"
		}
		return ""
	}
	explain := func(h Host) (lines []string) {
		c, err := m.Choose(h)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range c.Verdicts {
			var line strings.Builder
			line.WriteString(v.Update.Variant + " " + v.Update.Arch + " " + v.Update.Version.String())
			if v.Chosen {
				line.WriteString(" chosen")
			}
			for _, r := range v.Reasons {
				line.WriteString("; " + string(r.Code) + ": " + r.Text)
			}
			lines = append(lines, line.String())
		}
		return lines
	}
	want := []string{
		"v x86_64 1.5.0; above-maximum: it is above 1.4.0, the newest version that its publisher allows",
		"v x86_64 1.4.0; wave: wave 1 of 2; this host, with seed 7, is due at 2024-10-24 20:00:00 UTC",
		"v x86_64 1.3.0; failed-before: it failed on this host: it did not boot on 2024-10-20; updog update --image 1.3.0 tries it again",
		"v x86_64 1.2.0 chosen",
		"other x86_64 1.2.0; variant: it is for variant other, this host is v",
		"v aarch64 1.2.0; arch: it is for aarch64, this host is x86_64",
		"v x86_64 1.1.0; running: it is the version that runs",
		"v x86_64 1.0.0; older: it is older than 1.1.0, which runs",
	}
	if diff := cmp.Diff(explain(h), want); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
	h.Failed, h.Lock, h.IgnoreWaves = nil, "1.4.0", true
	want = []string{
		"v x86_64 1.5.0; above-maximum: it is above 1.4.0, the newest version that its publisher allows; locked: this host is locked to 1.4.0",
		"v x86_64 1.4.0 chosen",
		"v x86_64 1.3.0; locked: this host is locked to 1.4.0",
	}
	if diff := cmp.Diff(explain(h)[:3], want); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
	h.Lock = "latest"
	if got, want := explain(h)[2], "v x86_64 1.3.0; superseded: 1.4.0 is chosen"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	h.IgnoreWaves, h.Failed = false, func(Update) string { return "it did not boot" }
	if got, want := explain(h)[1], "it failed on this host: it did not boot; updog update --image 1.4.0 --now tries it again"; !strings.HasSuffix(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What is chosen agrees with the rules told once more, in the reference's words.
func TestRapidChoose(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := new(Manifest)
		for _, v := range rapid.SliceOfNDistinct(drawVersion(), 0, 6, rapid.ID).Draw(rt, "versions") {
			u := Update{Variant: rapid.SampledFrom([]string{"v", "v", "w"}).Draw(rt, "variant"), Arch: "x86_64"}
			u.Version, u.MaxVersion = version(t, v), version(t, drawVersion().Draw(rt, "max"))
			if rapid.Bool().Draw(rt, "waits") {
				u.Waves = Waves{{0, release.Add(time.Hour)}, {100, release.Add(2 * time.Hour)}}
			}
			m.Updates = append(m.Updates, u)
		}
		h := host(t, drawVersion().Draw(rt, "current"), "latest", "")
		if rapid.Bool().Draw(rt, "locked") {
			h.Lock = drawVersion().Draw(rt, "lock")
		}
		h.IgnoreWaves = rapid.Bool().Draw(rt, "ignore")
		c, err := m.Choose(h)
		if err != nil {
			rt.Fatal(err)
		}
		got, _ := c.Chosen()
		want := retold(m, h)
		if got.Version != want.Version || got.Variant != want.Variant {
			rt.Errorf("got %s, want %s", got.Version, want.Version)
		}
		for _, v := range c.Verdicts {
			if v.Chosen != (len(v.Reasons) == 0) {
				rt.Errorf("%s: chosen %v, reasons %v", v.Update.Version, v.Chosen, v.Reasons)
			}
		}
	})
}

func retold(m *Manifest, h Host) (best Update) {
	found := false
	for _, u := range m.Updates {
		applicable := u.Variant == h.Variant && u.Version.Compare(u.MaxVersion) <= 0 && (h.IgnoreWaves || len(u.Waves) == 0)
		wanted := h.Version.Compare(u.Version) < 0 || h.Version.Compare(u.MaxVersion) > 0
		if h.Lock != Latest {
			wanted = u.Version.String() == h.Lock && u.Version != h.Version
		}
		if applicable && wanted && (!found || u.Version.Compare(best.Version) > 0) {
			best, found = u, true
		}
	}
	return best
}

func chains(t testing.TB, steps ...string) *Manifest {
	m := new(Manifest)
	for _, s := range steps {
		words := strings.Fields(s)
		m.Migrations = append(m.Migrations, Migration{version(t, words[0]), version(t, words[1]), words[2:]})
	}
	sortMigrations(m.Migrations)
	return m
}

// The worked examples of the reference's description, and what it cannot do.
func TestChain(t *testing.T) {
	m := chains(t, "1.0.0 1.1.0 a", "1.1.0 1.2.0 b c", "1.0.0 1.2.0 d", "1.2.0 1.3.0")
	dead := chains(t, "1.0.0 1.1.0 a", "1.1.0 1.3.0 b", "1.0.0 1.2.0 trap", "1.2.0 1.2.1")
	hostile := chains(t, "1.0.0 1.0.0 loop", "1.1.0 1.0.0 back", "1.0.0 1.1.0 a")
	tests := []struct {
		m        *Manifest
		from, to string
		want     string
		at       string // where a gap is
	}{
		{m, "1.0.0", "1.1.0", "a", ""},
		{m, "1.0.0", "1.2.0", "d", ""},
		{m, "1.0.0", "1.3.0", "d", ""},
		{m, "1.1.0", "1.3.0", "b c", ""},
		{m, "1.3.0", "1.1.0", "c b", ""},
		{m, "1.3.0", "1.3.0", "", ""},
		{m, "9.0.0", "9.0.0", "", ""},
		{m, "1.0.0", "1.4.0", "", "1.3.0"},
		{m, "1.4.0", "1.0.0", "", "1.3.0"},
		{m, "0.9.0", "1.0.0", "", "0.9.0"},
		{dead, "1.0.0", "1.3.0", "a b", ""},
		{dead, "1.0.0", "1.4.0", "", "1.2.1"},
		{hostile, "1.0.0", "1.1.0", "a", ""},
		{hostile, "1.1.0", "1.2.0", "", "1.1.0"},
	}
	for _, test := range tests {
		got, err := test.m.Chain(version(t, test.from), version(t, test.to))
		at := ""
		if gap := new(GapError); errors.As(err, &gap) {
			at = gap.At.String()
		}
		if at != test.at || at == "" && err != nil {
			t.Errorf("%s to %s: %v, want a gap at %q", test.from, test.to, err, test.at)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s to %s: got %v, want %s", test.from, test.to, got, test.want)
		}
	}
	_, err := m.Chain(version(t, "1.0.0"), version(t, "1.4.0"))
	if want := "Reached end of migration chain at 1.3.0 but target is 1.4.0"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// A chain leads from step to step, and back the same way.
// TestHostileChains are what a publisher who was robbed may sign.
func TestHostileChains(t *testing.T) {
	from, to := number(t, 1), number(t, 2)
	many := &Manifest{Migrations: []Migration{{From: from, To: to, Targets: slices.Repeat([]string{"tiny"}, MaxChain)}}}
	if targets, err := many.Chain(from, to); err != nil || len(targets) != MaxChain {
		t.Errorf("%d targets, %v", len(targets), err)
	}
	many.Migrations[0].Targets = append(many.Migrations[0].Targets, "tiny")
	if _, err := many.Chain(to, from); err == nil || !strings.Contains(err.Error(), "at most 1024 are possible") {
		t.Errorf("one more: %v", err)
	}
	// Looking at each of its steps again after each of its dead ends would take minutes.
	star, low := new(Manifest), Version{}
	for i := range uint64(200_000) {
		star.Migrations = append(star.Migrations, Migration{From: low, To: Version{numbers: [3]uint64{0, 1, i}}})
	}
	if _, err := star.Chain(low, to); err == nil {
		t.Error("a way was found where there is none")
	}
}

func TestRapidChain(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := new(Manifest)
		ends := make(map[string]Migration)
		numbers := rapid.SliceOfN(rapid.IntRange(0, 6), 2, 24).Draw(rt, "steps")
		for i := 0; i+1 < len(numbers); i += 2 {
			s := Migration{From: number(t, numbers[i]), To: number(t, numbers[i+1])}
			if _, known := ends[s.key()]; known {
				continue
			}
			s.Targets = []string{s.key()}
			ends[s.key()] = s
			m.Migrations = append(m.Migrations, s)
		}
		from, to := number(t, rapid.IntRange(0, 6).Draw(rt, "from")), number(t, rapid.IntRange(0, 6).Draw(rt, "to"))
		if from.Compare(to) > 0 {
			from, to = to, from
		}
		forward, err := m.Chain(from, to)
		back, errBack := m.Chain(to, from)
		if (err == nil) != (errBack == nil) || len(forward) != len(back) {
			rt.Fatalf("forward %v, %v; back %v, %v", forward, err, back, errBack)
		}
		if err != nil {
			return
		}
		at := from
		for i, target := range forward {
			if ends[target].From != at || back[len(back)-1-i] != target {
				rt.Fatalf("forward %v, back %v", forward, back)
			}
			at = ends[target].To
		}
		if at != to {
			rt.Errorf("the chain ends at %s, not %s: %v", at, to, forward)
		}
	})
}

func number(t testing.TB, n int) Version { return version(t, "1."+string(rune('0'+n))+".0") }
