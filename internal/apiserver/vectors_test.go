package apiserver_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/sandbox/sandboxtest"
)

// scenario is one of test/vectors/http.json: requests to the running
// reference, and what it answered. Scenarios follow one another on one server.
type scenario struct {
	Name  string `json:"name"`
	Steps []step `json:"steps"`
}

type step struct {
	Method   string            `json:"method"`
	Path     string            `json:"path"`
	Headers  map[string]string `json:"headers"`
	Body     string            `json:"body"`
	Repeat   int               `json:"repeat"` // each @ of the body stands for so many letters x
	Status   int               `json:"status"`
	Type     *string           `json:"type"`
	Response string            `json:"response"`
	Compare  string            `json:"compare"` // exact, prefix (up to the first colon), status, or fault
}

// sensible are the statuses where the reference itself fails.
var sensible = map[string]int{"GET /settings?keys=settings.updates": http.StatusOK}

func TestVectors(t *testing.T) {
	text, err := os.ReadFile("../../test/vectors/http.json")
	if err != nil {
		t.Fatal(err)
	}
	var scenarios []scenario
	if err := json.Unmarshal(text, &scenarios); err != nil {
		t.Fatal(err)
	}
	server := sandboxtest.Start(t, newRoot(t))
	counts := make(map[string]int)
	for _, sc := range scenarios {
		t.Run(sc.Name, func(t *testing.T) {
			for i := range sc.Steps {
				counts[sc.Steps[i].Compare]++
				sc.Steps[i].replay(t, server)
			}
		})
	}
	t.Logf("%d scenarios agree: %v", len(scenarios), counts)
}

func (s *step) replay(t *testing.T, server *sandboxtest.Server) {
	t.Helper()
	got := s.send(t, server)
	want := *s
	if s.Compare == "fault" {
		want.Status = sensible[s.Method+" "+s.Path]
	}
	if got.Status != want.Status {
		t.Errorf("%s %s: status %d, want %d; body %s", s.Method, s.Path, got.Status, want.Status, got.Response)
		return
	}
	switch s.Compare {
	case "exact":
		if diff := cmp.Diff(comparable(t, got), comparable(t, want)); diff != "" {
			t.Errorf("%s %s (-got +want):\n%s", s.Method, s.Path, diff)
		}
	case "prefix":
		if diff := cmp.Diff(head(got), head(want)); diff != "" {
			t.Errorf("%s %s (-got +want):\n%s", s.Method, s.Path, diff)
		}
	}
}

func (s *step) send(t *testing.T, server *sandboxtest.Server) step {
	t.Helper()
	body := strings.ReplaceAll(s.Body, "@", strings.Repeat("x", max(s.Repeat, 1)))
	if s.Repeat == 0 {
		body = s.Body
	}
	request, err := http.NewRequest(s.Method, "http://localhost"+s.Path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range s.Headers {
		request.Header.Set(name, value)
	}
	response, err := server.HTTP.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := step{Status: response.StatusCode, Response: string(text)}
	if values, ok := response.Header["Content-Type"]; ok {
		got.Type = &values[0]
	}
	return got
}

// answer is an answer in a form in which equal means equal.
type answer struct {
	Status int
	Type   string
	Body   any
}

func comparable(t *testing.T, s step) answer {
	t.Helper()
	a := answer{Status: s.Status, Type: "none", Body: s.Response}
	if s.Type != nil {
		a.Type = *s.Type
	}
	if a.Type == "application/json" && s.Response != "" {
		if err := json.Unmarshal([]byte(s.Response), &a.Body); err != nil {
			t.Errorf("answer is no JSON: %v: %s", err, s.Response)
		}
	}
	if list, ok := a.Body.([]any); ok { // lists of texts that the API returns have no order
		slices.SortFunc(list, func(x, y any) int { return strings.Compare(x.(string), y.(string)) })
	}
	return a
}

// head is what a text says before its first colon; what follows may be better than the reference's.
func head(s step) answer {
	before, _, _ := strings.Cut(s.Response, ":")
	return answer{Status: s.Status, Type: *s.Type, Body: before}
}
