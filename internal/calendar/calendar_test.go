package calendar

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests' machine may have none
)

// at is when the tests ask: a Saturday.
var at = time.Date(2026, 11, 21, 11, 33, 8, 0, time.UTC)

func TestNext(t *testing.T) {
	for text, want := range map[string]string{
		"minutely":                             "2026-11-21T11:34:00Z",
		"hourly":                               "2026-11-21T12:00:00Z",
		"daily":                                "2026-11-22T00:00:00Z",
		"weekly":                               "2026-11-23T00:00:00Z",
		"monthly":                              "2026-12-01T00:00:00Z",
		"quarterly":                            "2027-01-01T00:00:00Z",
		"semiannually":                         "2027-01-01T00:00:00Z",
		"Yearly":                               "2027-01-01T00:00:00Z",
		"Sat":                                  "2026-11-28T00:00:00Z",
		"Sat,Sun 02:00":                        "2026-11-22T02:00:00Z",
		"saturday 12:00":                       "2026-11-21T12:00:00Z",
		"Mon..Fri 04:30:15":                    "2026-11-23T04:30:15Z",
		"Fri..Sun *-*-* 11:33:09":              "2026-11-21T11:33:09Z",
		"11:33:08":                             "2026-11-22T11:33:08Z",
		"*:0/15":                               "2026-11-21T11:45:00Z",
		"8..18/4:00":                           "2026-11-21T12:00:00Z",
		"*-*-1..7 Sat":                         "",
		"Sat *-*-1..7 18:00:00":                "2026-12-05T18:00:00Z",
		"*-*~1":                                "2026-11-30T00:00:00Z",
		"*-02~03":                              "2027-02-26T00:00:00Z",
		"Mon *-05~07/1":                        "2027-05-31T00:00:00Z",
		"02-29":                                "2028-02-29T00:00:00Z",
		"Mon 02-29":                            "2044-02-29T00:00:00Z",
		"27-01-02 03:04":                       "2027-01-02T03:04:00Z",
		"2020-01-01":                           "none",
		"2026,2028-*-* 23:59:59":               "2026-11-21T23:59:59Z",
		"03:00 UTC":                            "2026-11-22T03:00:00Z",
		"03:00 Asia/Tokyo":                     "2026-11-21T18:00:00Z",
		"daily Europe/Berlin":                  "2026-11-21T23:00:00Z",
		"2027-03-28 02:30:00 Europe/Berlin":    "none", // the clock leaves it out
		"Sun *-03-* 02:30:00 America/New_York": "2027-03-07T07:30:00Z",
	} {
		e, err := Parse(text)
		if want == "" {
			if err == nil {
				t.Errorf("%q was accepted", text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got := "none"
		if next, ok := e.Next(at); ok {
			got = next.Format(time.RFC3339)
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestFaults(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "empty",
		"   ":                    "empty",
		"Someday":                "'Someday' is no day of the week",
		"Sat..Mon":               "a week begins on Monday",
		"25:00":                  "hour '25': '25' is no number from 0 to 23",
		"*-13-01":                "month '13'",
		"*-*-0":                  "day '0'",
		"10..5:00":               "5 comes before 10",
		"1:2:3:4":                "no HOUR:MINUTE:SECOND",
		"02:00 Mars/Olympus":     "'Mars/Olympus' is no part",
		"*:*/0":                  "'0' is no number from 1 to 59",
		"02:00:00.5":             "second '00.5'",
		"@1700000000":            "'@1700000000' is no part",
		"*:1,,2":                 "''",
		strings.Repeat("1", 300): "longer than",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestWindow(t *testing.T) {
	e, err := Parse("Sat 11:00")
	if err != nil {
		t.Fatal(err)
	}
	for length, want := range map[time.Duration]string{
		time.Hour:        "2026-11-21T11:00:00Z to 2026-11-21T12:00:00Z", // open
		33 * time.Minute: "2026-11-28T11:00:00Z to 2026-11-28T11:33:00Z", // over since 8 s
		34 * time.Minute: "2026-11-21T11:00:00Z to 2026-11-21T11:34:00Z",
	} {
		opens, closes, ok := Window{e, length}.At(at)
		if got := opens.Format(time.RFC3339) + " to " + closes.Format(time.RFC3339); !ok || got != want {
			t.Errorf("%s: %s, want %s", length, got, want)
		}
	}
}

// Whatever is accepted has a next time that is later, or none, and soon finds it.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"Sat,Sun 02:00", "*-*~1/2 *:0/7:1..9", "Mon..Fri 1..5,7/2-2-29", "daily UTC"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Parse(text)
		if err != nil {
			return
		}
		if next, ok := e.Next(at); ok && !next.After(at) {
			t.Errorf("%q: %s", text, next)
		}
	})
}
