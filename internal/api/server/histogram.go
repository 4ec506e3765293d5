package server

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

// bounds are the upper ends of the buckets of durations.
var bounds = [...]time.Duration{
	100 * time.Microsecond, 500 * time.Microsecond, 2 * time.Millisecond, 10 * time.Millisecond,
	50 * time.Millisecond, 250 * time.Millisecond, time.Second, 5 * time.Second, 30 * time.Second,
}

// histograms is one Prometheus histogram, by route. Its buckets are printed in
// the order of their bounds, as the format wants it.
type histograms struct {
	name    string
	mu      sync.Mutex
	byRoute map[string]*histogram
}

// histogram counts durations between the bounds; the last are those beyond.
type histogram struct {
	mu      sync.Mutex
	buckets [len(bounds) + 1]uint64
	sum     time.Duration
}

// of is the histogram of a route, made at the first call.
func (hs *histograms) of(route string) *histogram {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if hs.byRoute[route] == nil {
		hs.byRoute[route] = &histogram{}
	}
	return hs.byRoute[route]
}

func (h *histogram) add(d time.Duration) {
	i, _ := slices.BinarySearch(bounds[:], d)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.buckets[i]++
	h.sum += d
}

// write prints all routes in the text format.
func (hs *histograms) write(w io.Writer) {
	hs.mu.Lock()
	routes := maps.Clone(hs.byRoute)
	hs.mu.Unlock()
	if len(routes) == 0 {
		return
	}
	fmt.Fprintf(w, "# TYPE %s histogram\n", hs.name)
	for _, route := range slices.Sorted(maps.Keys(routes)) {
		routes[route].write(w, hs.name, route)
	}
}

func (h *histogram) write(w io.Writer, name, route string) {
	h.mu.Lock()
	buckets, sum := h.buckets, h.sum
	h.mu.Unlock()
	count := uint64(0)
	for i, n := range buckets {
		count += n
		le := "+Inf"
		if i < len(bounds) {
			le = strconv.FormatFloat(bounds[i].Seconds(), 'g', -1, 64)
		}
		fmt.Fprintf(w, "%s_bucket{route=%q,le=%q} %d\n", name, route, le, count)
	}
	fmt.Fprintf(w, "%s_sum{route=%q} %g\n%s_count{route=%q} %d\n", name, route, sum.Seconds(), name, route, count)
}
