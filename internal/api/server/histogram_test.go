package server

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sample is one line of the text format: a series without its bound, and the bound.
type sample struct {
	series string
	le     float64
	value  float64
}

var sampleLine = regexp.MustCompile(`^([a-z_]+(?:\{[^{}]*\})?) ([0-9.e+-]+)$`)

// parseText reads the text format as far as histograms need it.
func parseText(t *testing.T, text string) []sample {
	t.Helper()
	var samples []sample
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("no sample: %q", line)
		}
		s := sample{series: m[1], le: math.NaN()}
		if before, after, ok := strings.Cut(m[1], `,le="`); ok {
			bound, _, _ := strings.Cut(after, `"`)
			s.series, s.le = before, number(t, bound)
		}
		s.value = number(t, m[2])
		samples = append(samples, s)
	}
	return samples
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Within a series, bounds rise up to +Inf, counts never fall, and the last is the count.
func TestHistogramBuckets(t *testing.T) {
	h := &histograms{name: "took_seconds", byRoute: map[string]*histogram{}}
	for _, d := range []time.Duration{0, 100 * time.Microsecond, time.Millisecond, 6 * time.Second, time.Hour} {
		h.of("GET /b").add(d)
	}
	h.of("GET /a").add(time.Second)
	var text strings.Builder
	h.write(&text)
	samples := parseText(t, text.String())
	values := map[string]float64{}
	for i, s := range samples {
		if !strings.Contains(s.series, "_bucket") {
			values[s.series] = s.value
			continue
		}
		if last := samples[max(0, i-1)]; i > 0 && last.series == s.series && (s.le <= last.le || s.value < last.value) {
			t.Errorf("%v after %v", s, last)
		}
		values[fmt.Sprint(s.series, " ", s.le)] = s.value
	}
	for series, want := range map[string]float64{
		`took_seconds_bucket{route="GET /b" 0.0001`: 2,
		`took_seconds_bucket{route="GET /b" 0.002`:  3,
		`took_seconds_bucket{route="GET /b" 5`:      3,
		`took_seconds_bucket{route="GET /b" 30`:     4,
		`took_seconds_bucket{route="GET /b" +Inf`:   5,
		`took_seconds_count{route="GET /b"}`:        5,
		`took_seconds_sum{route="GET /b"}`:          3606.0011,
		`took_seconds_bucket{route="GET /a" 0.25`:   0,
		`took_seconds_bucket{route="GET /a" 1`:      1,
		`took_seconds_count{route="GET /a"}`:        1,
	} {
		if got, ok := values[series]; !ok || math.Abs(got-want) > 1e-9 {
			t.Errorf("%s is %v, want %v", series, got, want)
		}
	}
}

// checkFamilies holds a text to what the format asks for: each series once, and
// those of one name together.
func checkFamilies(t *testing.T, text string) {
	t.Helper()
	seen, last := map[string]bool{}, ""
	for _, s := range parseText(t, text) {
		name, _, _ := strings.Cut(s.series, "{")
		if at := strings.Index(name, "_duration_seconds_"); at >= 0 {
			name = name[:at]
		}
		series := fmt.Sprint(s.series, " ", s.le)
		if seen[series] || seen[name] && name != last {
			t.Errorf("%s is told twice, or apart from others of its name", series)
		}
		seen[series], seen[name], last = true, true, name
	}
}
