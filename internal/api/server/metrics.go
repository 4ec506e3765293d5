package server

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/hostler-os/hostler/internal/api"
)

// meters are the server's metrics, in a set of their own.
type meters struct {
	set       *metrics.Set
	commits   *metrics.Counter
	durations *histograms
}

func newMeters(s *Server) *meters {
	set := metrics.NewSet()
	set.NewGauge("hostler_settings", func() float64 { return float64(s.Store.Snapshot().Len()) })
	set.NewGauge("hostler_pending_transactions", func() float64 { return float64(len(s.Store.PendingNames())) })
	set.NewGauge("hostler_datastore_bytes", func() float64 {
		info, err := os.Stat(s.Path)
		if err != nil {
			return -1
		}
		return float64(info.Size())
	})
	set.NewGauge("hostler_start_time_seconds", func() float64 { return float64(s.started.UnixMilli()) / 1e3 })
	for p, name := range phaseNames {
		set.NewGauge(fmt.Sprintf("hostler_connections{phase=%q}", name), func() float64 {
			counts, _ := s.conns.count()
			return float64(counts[p])
		})
	}
	set.NewGauge("hostler_connections_evicted", func() float64 {
		_, evicted := s.conns.count()
		return float64(evicted)
	})
	durations := &histograms{name: "hostler_request_duration_seconds", byRoute: map[string]*histogram{}}
	set.RegisterMetricsWriter(durations.write)
	return &meters{set: set, commits: set.NewCounter("hostler_commits_total"), durations: durations}
}

// routeMeter counts the requests of one route. Its metrics are made once, when
// the route is first used: looking one up by name costs more than many handlers do.
type routeMeter struct {
	set      *metrics.Set
	name     string
	byStatus sync.Map // int → *metrics.Counter
	duration func() *histogram
}

func (m *meters) route(rt *route) *routeMeter {
	return &routeMeter{
		set:      m.set,
		name:     rt.name(),
		duration: sync.OnceValue(func() *histogram { return m.durations.of(rt.name()) }),
	}
}

func (m *routeMeter) count(status int, took time.Duration) {
	if status == 0 {
		status = http.StatusOK
	}
	counter, ok := m.byStatus.Load(status)
	if !ok {
		counter, _ = m.byStatus.LoadOrStore(status, requestCounter(m.set, m.name, status))
	}
	counter.(*metrics.Counter).Inc()
	m.duration().add(took)
}

func requestCounter(set *metrics.Set, route string, status int) *metrics.Counter {
	return set.GetOrCreateCounter(fmt.Sprintf("hostler_requests_total{route=%q,code=%q}", route, strconv.Itoa(status)))
}

// unknown counts requests that no route answers.
func (m *meters) unknown(status int) { requestCounter(m.set, "none", status).Inc() }

// countChanges counts, until the server stops, how changes end.
func (s *Server) countChanges() {
	ended := make(map[uint64]api.State)
	for e := range s.Engine.WatchSettled(s.stopping) {
		c := e.Change
		if ended[c.ID] == c.State {
			continue
		}
		s.metrics.set.GetOrCreateCounter(fmt.Sprintf("hostler_changes_total{state=%q}", c.State)).Inc()
		ended[c.ID] = c.State
		if c.State.Final() && len(ended) > recentChanges {
			clear(ended)
			ended[c.ID] = c.State
		}
	}
}

func (s *Server) getMetrics(w http.ResponseWriter, _ *http.Request) error {
	var b bytes.Buffer
	s.metrics.set.WritePrometheus(&b)
	metrics.WriteProcessMetrics(&b)
	write(w, http.StatusOK, []string{"text/plain; version=0.0.4; charset=utf-8"}, b.Bytes())
	return nil
}
