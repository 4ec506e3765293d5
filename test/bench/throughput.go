package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"golang.org/x/sync/errgroup"
)

const (
	connections     = 8
	readSettings    = "GET /settings HTTP/1.1\r\nHost: localhost\r\n\r\n"
	aimedThroughput = 0.8
)

// throughput compares GET /settings with a server that only knows this one answer.
func throughput(ctx context.Context, b *bench) ([]row, error) {
	s, err := startSandbox(ctx, b, "aws-dev")
	if err != nil {
		return nil, err
	}
	defer s.stop()
	if err := s.run(ctx, append([]string{"set"}, manySettings()...)...); err != nil {
		return nil, err
	}
	constant, err := startConstant(ctx, b, s.socket())
	if err != nil {
		return nil, err
	}
	defer stop(constant.server)

	var floors, ours []float64
	period := time.Duration(b.times(1000, 400)) * time.Millisecond
	for range b.times(7, 5) {
		floor, err := load(ctx, constant.socket, period)
		if err != nil {
			return nil, err
		}
		our, err := load(ctx, s.socket(), period)
		if err != nil {
			return nil, err
		}
		floors, ours = append(floors, floor), append(ours, our)
	}
	floor, our := median(floors), median(ours)
	return []row{{
		what:  fmt.Sprintf("GET /settings, %d connections, %d bytes", connections, constant.size),
		floor: fmt.Sprintf("%.0f/s", floor), ours: fmt.Sprintf("%.0f/s", our),
		ratio: fmt.Sprintf("%.2f", our/floor), aim: fmt.Sprintf("≥ %.1f", aimedThroughput), ok: our/floor >= aimedThroughput,
	}}, nil
}

// manySettings makes the answer as long as that of a Kubernetes host.
func manySettings() []string {
	var pairs []string
	for i := range 100 {
		pairs = append(pairs, fmt.Sprintf(`kernel.sysctl."net.example.parameter_%03d"=%d`, i, i*i))
	}
	return pairs
}

type constantServer struct {
	server *exec.Cmd
	socket string
	size   int
}

// startConstant runs this program as a server of what the other one answers.
func startConstant(ctx context.Context, b *bench, like string) (constantServer, error) {
	body, err := get(ctx, like, "/settings")
	if err != nil {
		return constantServer{}, err
	}
	file := filepath.Join(b.dir, "constant.json")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		return constantServer{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return constantServer{}, err
	}
	c := constantServer{socket: filepath.Join(b.dir, "constant.sock"), size: len(body)}
	c.server = exec.Command(self, "-serve-constant", c.socket, file)
	return c, start(ctx, c.server, c.socket)
}

func serveConstant(ctx context.Context, socket, file string) error {
	body, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	router := chi.NewRouter()
	router.Get("/settings", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body) // a client that left is no concern of a floor
	})
	server := &http.Server{Handler: router, ReadHeaderTimeout: time.Minute}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func get(ctx context.Context, socket, path string) ([]byte, error) {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", path, response.Status, body)
	}
	return body, err
}

// load sends requests over several connections for a while and returns the answers a second.
// The client parses as little as it can: it shares the processors with the server.
func load(ctx context.Context, socket string, period time.Duration) (float64, error) {
	counts := make([]int, connections)
	var group errgroup.Group
	begin := time.Now()
	for i := range counts {
		group.Go(func() (err error) {
			counts[i], err = converse(ctx, socket, begin.Add(period))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / time.Since(begin).Seconds(), nil
}

func converse(ctx context.Context, socket string, until time.Time) (int, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	answers := bufio.NewReaderSize(conn, 64<<10)
	answered := 0
	for time.Now().Before(until) {
		if _, err := io.WriteString(conn, readSettings); err != nil {
			return 0, err
		}
		if err := discardAnswer(answers); err != nil {
			return 0, err
		}
		answered++
	}
	return answered, nil
}

// discardAnswer reads one answer, by its length or by its chunks.
func discardAnswer(r *bufio.Reader) error {
	length, chunked := 0, false
	for n := 0; ; n++ {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		switch header := string(line); {
		case n == 0 && !strings.HasPrefix(header, "HTTP/1.1 200 "):
			return fmt.Errorf("got %q", header)
		case strings.HasPrefix(header, "Content-Length: "):
			if _, err := fmt.Sscanf(header, "Content-Length: %d", &length); err != nil {
				return err
			}
		case strings.HasPrefix(header, "Transfer-Encoding: chunked"):
			chunked = true
		case header == "\r\n" && chunked:
			return discardChunks(r)
		case header == "\r\n":
			_, err := r.Discard(length)
			return err
		}
	}
}

func discardChunks(r *bufio.Reader) error {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		var size int
		if _, err := fmt.Sscanf(line, "%x", &size); err != nil {
			return err
		}
		if _, err := r.Discard(size + len("\r\n")); err != nil || size == 0 {
			return err
		}
	}
}
