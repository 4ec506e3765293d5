package server

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hostler-os/hostler/internal/api"
)

// meters are the server's metrics: what it counts, and what is read off when
// somebody asks.
type meters struct {
	gauges    map[string]func() float64
	durations *histograms
	commits   *counter

	mu       sync.Mutex
	counters map[string]*counter // by name and labels, as they are printed
}

// counter only ever grows.
type counter = atomic.Uint64

func newMeters(s *Server) *meters {
	m := &meters{
		counters:  map[string]*counter{},
		durations: &histograms{name: "hostler_request_duration_seconds", byRoute: map[string]*histogram{}},
		gauges: map[string]func() float64{
			"hostler_settings":             func() float64 { return float64(s.Store.Snapshot().Len()) },
			"hostler_pending_transactions": func() float64 { return float64(len(s.Store.PendingNames())) },
			"hostler_datastore_bytes":      func() float64 { return sizeOf(s.Path) },
			"hostler_start_time_seconds":   s.startTime,
			"process_start_time_seconds":   s.startTime,
			"hostler_connections_evicted": func() float64 {
				_, evicted := s.conns.count()
				return float64(evicted)
			},
		},
	}
	for p, name := range phaseNames {
		m.gauges[fmt.Sprintf("hostler_connections{phase=%q}", name)] = func() float64 {
			counts, _ := s.conns.count()
			return float64(counts[p])
		}
	}
	m.commits = m.counter("hostler_commits_total")
	return m
}

// startTime is when the server, and so its process, was started: seconds since 1970.
func (s *Server) startTime() float64 { return float64(s.started.UnixMilli()) / 1e3 }

// sizeOf is the size of a file in bytes; -1 if it cannot be had.
func sizeOf(path string) float64 {
	info, err := os.Stat(path)
	if err != nil {
		return -1
	}
	return float64(info.Size())
}

// counter is the one with a name and labels, made at the first call.
func (m *meters) counter(name string) *counter {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.counters[name] == nil {
		m.counters[name] = new(counter)
	}
	return m.counters[name]
}

// write prints everything in the text format of Prometheus.
func (m *meters) write(w io.Writer) {
	values := map[string]float64{}
	m.mu.Lock()
	for name, c := range m.counters {
		values[name] = float64(c.Load())
	}
	m.mu.Unlock()
	for name, read := range m.gauges {
		values[name] = read()
	}
	maps.Copy(values, processValues())
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(w, "%s %s\n", name, strconv.FormatFloat(values[name], 'f', -1, 64))
	}
	m.durations.write(w)
}

// routeMeter counts the requests of one route. Its metrics are made once, when
// the route is first used: looking one up by name costs more than many handlers do.
type routeMeter struct {
	meters   *meters
	name     string
	byStatus sync.Map // int → *counter
	duration func() *histogram
}

func (m *meters) route(rt *route) *routeMeter {
	return &routeMeter{
		meters:   m,
		name:     rt.name(),
		duration: sync.OnceValue(func() *histogram { return m.durations.of(rt.name()) }),
	}
}

func (m *routeMeter) count(status int, took time.Duration) {
	if status == 0 {
		status = http.StatusOK
	}
	known, ok := m.byStatus.Load(status)
	if !ok {
		known, _ = m.byStatus.LoadOrStore(status, m.meters.requests(m.name, status))
	}
	known.(*counter).Add(1)
	m.duration().add(took)
}

// requests counts those of a route that were answered with a status.
func (m *meters) requests(route string, status int) *counter {
	return m.counter(fmt.Sprintf("hostler_requests_total{route=%q,code=%q}", route, strconv.Itoa(status)))
}

// unknown counts requests that no route answers.
func (m *meters) unknown(status int) { m.requests("none", status).Add(1) }

// countChanges counts, until the server stops, how changes end.
func (s *Server) countChanges() {
	ended := make(map[uint64]api.State)
	for e := range s.Engine.WatchSettled(s.stopping) {
		c := e.Change
		if ended[c.ID] == c.State {
			continue
		}
		s.metrics.counter(fmt.Sprintf("hostler_changes_total{state=%q}", c.State)).Add(1)
		ended[c.ID] = c.State
		if c.State.Final() && len(ended) > recentChanges {
			clear(ended)
			ended[c.ID] = c.State
		}
	}
}

func (s *Server) getMetrics(w http.ResponseWriter, _ *http.Request) error {
	var b bytes.Buffer
	s.metrics.write(&b)
	write(w, http.StatusOK, []string{"text/plain; version=0.0.4; charset=utf-8"}, b.Bytes())
	return nil
}
