package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/apply"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/osrelease"
)

// Config is what a Server answers from.
type Config struct {
	Store  *datastore.Store
	Engine *apply.Engine
	Model  *model.Model
	OS     func() (osrelease.Release, error)
	Reboot Rebooter
	Access Access
	Log    *slog.Logger

	Boots      func() ([]api.Boot, error)      // the reports of the last boots, newest first; nil: none
	Migrations func() ([]api.Migration, error) // reports of the last migrations, the oldest first; nil: none
	Frozen     *api.Error                      // why settings cannot be changed; nil: they can
	LastBoot   func() *api.Boot                // the newest of them; nil: none
	FellBack   func() string                   // that the host has gone back to its old version, and why; nil or "": it has not
	Updates    Updates
	Lint       func(variant string, doc []byte) (api.LintResult, error) // judges user data; variant "": this host's

	Path     string                       // of the datastore's file, for its size; may be empty
	Peer     func(net.Conn) (Peer, error) // default PeerOf
	MaxConns int                          // default 512
	Version  string
}

// defaultMaxConns bounds the memory that connections take: some 20 KiB each.
const defaultMaxConns = 512

// Times that bound what a peer can hold on to.
const (
	headTime  = 10 * time.Second       // for the head of a request
	idleTime  = 60 * time.Second       // between two requests
	quietTime = 200 * time.Millisecond // for a request that is under way when the server stops
	maxHeader = 128 << 10
)

// Server answers requests. It is made by New.
type Server struct {
	Config
	http    *http.Server
	conns   *connTable
	metrics *meters
	catalog catalog
	masked  maskedSettings
	started time.Time

	ready    chan struct{} // closed when writes may come
	heavies  *tokens
	requests atomic.Uint64
	unread   atomic.Int64 // bytes of large answers that are being written

	// stopping ends what waits without an end of its own: event streams and waits for changes.
	stopping context.Context
	stop     context.CancelFunc
	wg       sync.WaitGroup
}

// New makes a server; Serve starts it.
func New(c Config) (*Server, error) {
	if c.Peer == nil {
		c.Peer = PeerOf
	}
	if c.MaxConns == 0 {
		c.MaxConns = defaultMaxConns
	}
	catalog, err := newCatalog(c.Model)
	if err != nil {
		return nil, err
	}
	s := &Server{Config: c, conns: newConnTable(c.MaxConns), catalog: catalog, started: time.Now(), ready: make(chan struct{}), heavies: newTokens()}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.metrics = newMeters(s)
	s.http = &http.Server{
		Handler:                      s.Handler(),
		ConnContext:                  s.connect,
		ConnState:                    s.conns.track,
		ReadHeaderTimeout:            headTime,
		IdleTimeout:                  idleTime,
		MaxHeaderBytes:               maxHeader,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// Serve answers on l until Shutdown.
func (s *Server) Serve(l net.Listener) error {
	s.wg.Go(s.countChanges)
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown stops accepting, ends event streams and waits, and lets the
// requests in hand finish until ctx ends; what is left then is cut off.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop()
	// net/http would wait seconds for peers that have not sent anything yet.
	quiet := time.AfterFunc(quietTime, s.conns.closeWaiting)
	defer quiet.Stop()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	s.wg.Wait()
	return err
}

// Requests is how many requests have come so far.
func (s *Server) Requests() uint64 { return s.requests.Load() }

// connect reads the credentials of a new connection, once for all its requests.
func (s *Server) connect(ctx context.Context, raw net.Conn) context.Context {
	c := &conn{raw: raw}
	peer, err := s.Peer(raw)
	if err != nil {
		s.Log.Warn("peer has no credentials, it gets no role", "err", err)
	} else {
		role, why := s.Access.role(peer)
		c.identity = api.Identity{Caller: peer.Caller, Groups: peer.Groups, Role: role, Why: why}
	}
	if !s.conns.add(c) {
		s.Log.Warn("connection refused, all others are busy", "limit", s.MaxConns)
		raw.Close()
	}
	return withConn(ctx, c)
}

// Handler is the router over the route table.
func (s *Server) Handler() http.Handler {
	mux := chi.NewRouter()
	table := routes()
	for i := range table {
		mux.Method(table[i].method, table[i].path, s.serve(&table[i]))
	}
	mux.NotFound(s.notFound)
	mux.MethodNotAllowed(s.notFound)
	return s.answering(plainPaths(mux))
}

// notFound answers unknown paths, and known ones with a wrong method, as the reference does: empty.
func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	code := http.StatusNotFound
	if r.URL.Path == execPath {
		code = http.StatusMethodNotAllowed
	}
	s.metrics.unknown(code)
	write(w, code, noType, nil)
}

// plainPaths makes an escaped letter in a path the same as the letter. Escaped
// slashes and percent signs stay what they are, so that no path hides in another.
func plainPaths(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if raw := strings.ToLower(r.URL.RawPath); raw != "" && !strings.Contains(raw, "%2f") && !strings.Contains(raw, "%25") {
			r.URL.RawPath = ""
		}
		next.ServeHTTP(w, r)
	})
}

// serve wraps a route's handler: access first, then the handler, its refusal
// in the route's dialect; a panic is an internal error of this request only.
func (s *Server) serve(rt *route) http.HandlerFunc {
	meter := s.metrics.route(rt)
	return func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		s.requests.Add(1)
		rec := &recorder{ResponseWriter: w}
		defer func() {
			if p := recover(); p != nil {
				s.panicked(rec, r, rt, p)
			}
			meter.count(rec.status, time.Since(began))
		}()
		if err := s.handle(rec, r, rt); err != nil {
			s.fail(rec, r, rt, err)
		}
	}
}

func (s *Server) handle(w http.ResponseWriter, r *http.Request, rt *route) error {
	if id := connOf(r).identity; id.Role < rt.role {
		return tooWeak(rt, id)
	}
	if rt.dialect == ours {
		if err := checkParams(rt, r); err != nil {
			return err
		}
	}
	if s.Frozen != nil && rt.role == api.RoleWrite {
		return s.Frozen
	}
	if rt.method != http.MethodGet {
		if err := s.awaitReady(r); err != nil {
			return err
		}
	}
	return rt.handle(s, w, r)
}

// Ready lets writes and questions about changes through. Until then they wait
// while other reads are answered: a change that is being recovered may restart
// services that read settings.
func (s *Server) Ready() { close(s.ready) }

func (s *Server) awaitReady(r *http.Request) error {
	select {
	case <-s.ready:
		return nil
	default:
	}
	defer connOf(r).enter(parked)()
	select {
	case <-s.ready:
		return nil
	case <-r.Context().Done():
		return r.Context().Err()
	case <-s.stopping.Done():
		return s.stopping.Err()
	}
}

// answerHeavy answers with what takes much memory to work out, once few enough
// others do. The peer may take its time to read it: nobody waits for that.
func (s *Server) answerHeavy(w http.ResponseWriter, r *http.Request, work func() (any, error)) error {
	doc, err := s.encodeFor(r, work)
	if err != nil {
		return err
	}
	return writeRaw(w, doc)
}

// encodeFor is encodeHeavy for a request, which is parked until it begins.
func (s *Server) encodeFor(r *http.Request, work func() (any, error)) ([]byte, error) {
	leave := connOf(r).enter(parked)
	defer leave()
	return s.encodeHeavy(r.Context(), connOf(r).identity.UID, func() (any, error) {
		leave()
		return work()
	})
}

// encodeHeavy works out a document while few others do so.
func (s *Server) encodeHeavy(ctx context.Context, uid uint32, work func() (any, error)) ([]byte, error) {
	done, err := s.heavies.take(ctx, s.stopping, uid)
	if err != nil {
		return nil, err
	}
	defer done()
	v, err := work()
	if err != nil {
		return nil, err
	}
	return api.Marshal(v)
}

// checkParams refuses a parameter that the route does not know: a misspelled limit must not mean none.
func checkParams(rt *route, r *http.Request) error {
	for name := range parseQuery(r.URL.RawQuery) {
		if !slices.Contains(rt.params, name) {
			return invalid("%s has no parameter '%s'", rt.name(), name)
		}
	}
	return nil
}

func (s *Server) panicked(w *recorder, r *http.Request, rt *route, p any) {
	if p == http.ErrAbortHandler {
		panic(p)
	}
	s.Log.Error("handler panicked", "route", rt.name(), "panic", p, "stack", string(debug.Stack()))
	if w.status == 0 {
		s.fail(w, r, rt, &api.Error{Code: api.CodeInternal, Message: "internal error", Hint: "the server's log says more"})
	}
}

// recorder remembers the status for metrics.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController through.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
