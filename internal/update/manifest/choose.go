package manifest

import (
	"fmt"
	"slices"
	"time"

	"github.com/hostler-os/hostler/internal/api"
)

// Latest is the version lock of hosts that follow the newest release.
const Latest = "latest"

// Host is what a choice depends on besides the manifest.
type Host struct {
	Variant, Arch string
	Version       Version // the running one
	Seed          uint32
	IgnoreWaves   bool
	Lock          string   // Latest, or the only version wanted, perhaps with a leading v
	Forced        *Version // wanted now: neither the lock nor the running version matter
	Now           time.Time
	Failed        func(Update) string // how the release failed here before, or ""; nil: none did
}

// Code says why a release is not offered. Codes are never renamed.
type Code string

// The reasons; one release may have several.
const (
	OtherVariant Code = "variant"
	OtherArch    Code = "arch"
	AboveMaximum Code = "above-maximum"
	WaveNotDue   Code = "wave"
	Running      Code = "running"       // it is the version that runs
	Older        Code = "older"         // than the one that runs, which is not above its maximum
	Locked       Code = "locked"        // to another version
	NotForced    Code = "not-forced"    // another version was asked for
	FailedBefore Code = "failed-before" // here; only forcing tries it again
	Superseded   Code = "superseded"    // another release is chosen
)

// Reason is one reason in words.
type Reason struct {
	Code Code   `json:"code"`
	Text string `json:"text"`
}

// Verdict is what becomes of one release on a host.
type Verdict struct {
	Update     Update
	Place      Place    // among its waves
	Applicable bool     // for this host, its architecture and this time; what check-update --all lists
	Chosen     bool     // at most one
	Reasons    []Reason // why it is not chosen
}

// Choice is the verdicts of all releases of a manifest, the newest first.
type Choice struct{ Verdicts []Verdict }

// Chosen returns the release that the host should get.
func (c Choice) Chosen() (Update, bool) {
	i := slices.IndexFunc(c.Verdicts, func(v Verdict) bool { return v.Chosen })
	if i < 0 {
		return Update{}, false
	}
	return c.Verdicts[i].Update, true
}

// Applicable lists the releases that a host may get at all.
func (c Choice) Applicable() (list []Update) {
	for _, v := range c.Verdicts {
		if v.Applicable {
			list = append(list, v.Update)
		}
	}
	return list
}

// Choose decides about every release. Of two of the same version the one
// published first is considered first. The error is that of a lock that is no version.
func (m *Manifest) Choose(h Host) (Choice, error) {
	wants, err := h.wants()
	if err != nil {
		return Choice{}, err
	}
	c := Choice{Verdicts: make([]Verdict, 0, len(m.Updates))}
	for _, u := range m.Updates {
		v := Verdict{Update: u, Place: u.Waves.Place(h.Seed)}
		v.Reasons = h.inapplicable(v)
		v.Applicable = len(v.Reasons) == 0
		v.Reasons = append(v.Reasons, wants(u)...)
		c.Verdicts = append(c.Verdicts, v)
	}
	slices.SortStableFunc(c.Verdicts, func(a, b Verdict) int { return b.Update.Version.Compare(a.Update.Version) })
	c.settle()
	return c, nil
}

// settle chooses the first that nothing speaks against; the others that nothing
// speaks against are superseded by it.
func (c *Choice) settle() {
	var chosen *Verdict
	for i := range c.Verdicts {
		switch v := &c.Verdicts[i]; {
		case len(v.Reasons) > 0:
		case chosen == nil:
			v.Chosen, chosen = true, v
		default:
			v.Reasons = []Reason{{Superseded, fmt.Sprintf("%s is chosen", chosen.Update.Version)}}
		}
	}
}

// inapplicable says why a release is not for hosts such as this, at this time.
func (h Host) inapplicable(v Verdict) (reasons []Reason) {
	u := v.Update
	add := func(is bool, code Code, text string, args ...any) {
		if is {
			reasons = append(reasons, Reason{code, fmt.Sprintf(text, args...)})
		}
	}
	add(u.Variant != h.Variant, OtherVariant, "it is for variant %s, this host is %s", u.Variant, h.Variant)
	add(u.Arch != h.Arch, OtherArch, "it is for %s, this host is %s", u.Arch, h.Arch)
	add(u.Version.Compare(u.MaxVersion) > 0, AboveMaximum, "it is above %s, the newest version that its publisher allows", u.MaxVersion)
	add(h.waits(v.Place), WaveNotDue, "wave %d of %d; this host, with seed %d, is due at %s",
		v.Place.Number, v.Place.Of, h.Seed, api.TimeText(v.Place.Due.Add(time.Second-1).Truncate(time.Second).UTC()))
	return reasons
}

// wants returns the rule by which this host wants releases or not.
func (h Host) wants() (func(Update) []Reason, error) {
	if h.Forced != nil {
		return h.only(*h.Forced, NotForced, "%s was asked for"), nil
	}
	if h.Lock == Latest {
		return func(u Update) []Reason { return append(h.newer(u), h.failed(u)...) }, nil
	}
	lock, err := ParseFriendlyVersion(h.Lock)
	if err != nil {
		return nil, fixed("Bad version string '%s' in config: %w", h.Lock, err)
	}
	locked := h.only(lock, Locked, "this host is locked to %s")
	return func(u Update) []Reason {
		reasons := locked(u)
		if u.Version == h.Version && lock == h.Version {
			reasons = append(reasons, Reason{Running, "it is the version that runs"})
		}
		return append(reasons, h.failed(u)...)
	}, nil
}

func (h Host) only(version Version, code Code, text string) func(Update) []Reason {
	return func(u Update) []Reason {
		if u.Version == version {
			return nil
		}
		return []Reason{{code, fmt.Sprintf(text, version)}}
	}
}

// newer also wants the way down from a version that its publisher has
// withdrawn: one above the maximum.
func (h Host) newer(u Update) []Reason {
	switch c := u.Version.Compare(h.Version); {
	case c > 0 || h.Version.Compare(u.MaxVersion) > 0:
		return nil
	case c == 0:
		return []Reason{{Running, "it is the version that runs"}}
	default:
		return []Reason{{Older, fmt.Sprintf("it is older than %s, which runs", h.Version)}}
	}
}

func (h Host) failed(u Update) []Reason {
	if h.Failed == nil {
		return nil
	}
	how := h.Failed(u)
	if how == "" {
		return nil
	}
	again := "--image " + u.Version.String()
	if h.waits(u.Waves.Place(h.Seed)) {
		again += " --now"
	}
	return []Reason{{FailedBefore, fmt.Sprintf("it failed on this host: %s; updog update %s tries it again", how, again)}}
}

// waits tells whether this host's turn has not come.
func (h Host) waits(p Place) bool { return !h.IgnoreWaves && !p.Ready(h.Now) }
