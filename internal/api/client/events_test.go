package client

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
)

func allEvents(r io.Reader) (events []string, err error) {
	s := newEventReader(r)
	for {
		data, err := s.next()
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return events, err
		}
		events = append(events, string(data))
	}
}

func TestEventReader(t *testing.T) {
	tests := map[string][]string{
		"":                             nil,
		"data: a":                      nil,
		"data: a\n":                    nil,
		"data: a\n\n":                  {"a"},
		"data:a\r\n\r\ndata: b\r\r":    {"a", "b"},
		"data: a\ndata:\ndata:  b\n\n": {"a\n\n b"},
		"data\n\n":                     {""},
		": x\n\nid: 1\n\n":             nil,
		"DATA: a\n\nxdata: b\n\n":      nil,
		"\ufeffdata: a\n\n":            {"a"},
		"\n\n\ndata: a\n\n\n":          {"a"},
	}
	for text, want := range tests {
		for name, r := range map[string]io.Reader{
			"whole":      strings.NewReader(text),
			"one by one": iotest.OneByteReader(strings.NewReader(text)),
		} {
			got, err := allEvents(r)
			if err != nil {
				t.Errorf("%q, %s: %v", text, name, err)
			}
			if diff := cmp.Diff(got, want); diff != "" {
				t.Errorf("%q, %s: got - want +:\n%s", text, name, diff)
			}
		}
	}
}

func TestEventReaderIsLimited(t *testing.T) {
	for name, text := range map[string]string{
		"one line":   "data: " + strings.Repeat("x", maxEvent+1) + "\n\n",
		"many lines": strings.Repeat("data: "+strings.Repeat("x", 1<<20)+"\n", 20) + "\n",
	} {
		if _, err := allEvents(strings.NewReader(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// An event that is over is delivered without waiting for what comes after its CR.
func TestEventReaderDoesNotWaitAfterCR(t *testing.T) {
	r, w := io.Pipe()
	go w.Write([]byte("data: a\r\r"))
	data, err := newEventReader(r).next()
	if err != nil || string(data) != "a" {
		t.Errorf("got %q, %v", data, err)
	}
}

// The line ends and the sizes of the pieces that come make no difference.
func FuzzEventReader(f *testing.F) {
	for _, seed := range []string{"data: a\n\n", "data: a\r\ndata: b\r\r: c\n\n", "\ufeffdata\n\n", "data: {\"change\": {}}\n\n", "\r\n\r\r\n\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		whole, err := allEvents(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		pieces, err := allEvents(iotest.OneByteReader(bytes.NewReader(text)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(pieces, whole); diff != "" {
			t.Errorf("in pieces - as a whole +:\n%s", diff)
		}
		plain := bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
		unix, err := allEvents(bytes.NewReader(plain))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(unix, whole); diff != "" {
			t.Errorf("with LF - as it is +:\n%s", diff)
		}
		_ = readEvents(bytes.NewReader(text), func(api.Event) bool { return true })
	})
}
