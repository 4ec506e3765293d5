package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"

	"github.com/hostler-os/hostler/internal/api"
)

// maxEvent bounds one line of an event stream and one event, in bytes.
const maxEvent = 16 << 20

// Events yields what happens to one change, or to all when change is 0, until
// the server ends the stream, the loop is left or ctx ends. An error ends the
// sequence; a stream that the server ends in order does not yield one.
func (c *Client) Events(ctx context.Context, change uint64) iter.Seq2[api.Event, error] {
	uri := "/events"
	if change > 0 {
		uri += "?change=" + strconv.FormatUint(change, 10)
	}
	return events[api.Event](ctx, c, uri)
}

// UpdateEvents yields how updates of the host go on, beginning with the present
// state, and ends as Events does.
func (c *Client) UpdateEvents(ctx context.Context) iter.Seq2[api.UpdateEvent, error] {
	return events[api.UpdateEvent](ctx, c, "/updates/events")
}

func events[T any](ctx context.Context, c *Client, uri string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var none T
		body, err := c.stream(ctx, uri)
		if err != nil {
			yield(none, err)
			return
		}
		defer body.Close()
		if err := readEvents(body, func(e T) bool { return yield(e, nil) }); err != nil && ctx.Err() == nil {
			yield(none, &RequestError{http.MethodGet, uri, StepRead, err})
		}
	}
}

func (c *Client) stream(ctx context.Context, uri string) (io.ReadCloser, error) {
	resp, err := c.send(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	text, err := readAll(resp.Body)
	if err != nil {
		return nil, &RequestError{http.MethodGet, uri, StepRead, err}
	}
	answer := &Response{resp.StatusCode, resp.Header, text}
	if err := answer.Check(http.MethodGet, uri); err != nil {
		return nil, err
	}
	return nil, &RequestError{http.MethodGet, uri, StepRead, fmt.Errorf("status %d instead of a stream", resp.StatusCode)}
}

// readEvents decodes the events of a stream until it ends or yield says stop.
func readEvents[T any](r io.Reader, yield func(T) bool) error {
	s := newEventReader(r)
	for {
		data, err := s.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var e T
		if err := json.Unmarshal(data, &e); err != nil {
			return fmt.Errorf("event is not the JSON that was expected: %w", err)
		}
		if !yield(e) {
			return nil
		}
	}
}

// eventReader reads the event-stream format of the HTML standard, §9.2.6. It
// keeps the data of events only: names and ids are not used by this API.
type eventReader struct {
	lines  *bufio.Scanner
	skipLF bool // the last line ended with CR, so a LF belongs to it
	begun  bool
}

func newEventReader(r io.Reader) *eventReader {
	s := &eventReader{lines: bufio.NewScanner(r)}
	s.lines.Buffer(nil, maxEvent)
	s.lines.Split(s.splitLine)
	return s
}

// next returns the data of the next event. An event that the end of the stream
// cuts off is dropped, as the standard wants.
func (s *eventReader) next() ([]byte, error) {
	var data []byte
	has := false
	for s.lines.Scan() {
		line := s.lines.Bytes()
		if !s.begun {
			s.begun = true
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		if len(line) == 0 {
			if has {
				return bytes.TrimSuffix(data, []byte("\n")), nil
			}
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		if string(field) != "data" {
			continue
		}
		has = true
		data = append(append(data, bytes.TrimPrefix(value, []byte(" "))...), '\n')
		if len(data) > maxEvent {
			return nil, bufio.ErrTooLong
		}
	}
	if err := s.lines.Err(); err != nil {
		return nil, err
	}
	return nil, io.EOF
}

// splitLine ends lines at LF, CR or CRLF, and never waits for the byte after a CR.
func (s *eventReader) splitLine(data []byte, _ bool) (int, []byte, error) {
	skip := 0
	if s.skipLF && len(data) > 0 && data[0] == '\n' {
		skip = 1
	}
	n := bytes.IndexAny(data[skip:], "\r\n")
	if n < 0 {
		return 0, nil, nil
	}
	end := skip + n
	s.skipLF = data[end] == '\r'
	return end + 1, data[skip:end], nil
}
