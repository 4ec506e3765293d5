package tufrepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// remote is a source below one http address.
type remote struct {
	*client
	base *url.URL
}

// retry calls try until it succeeds, fails for good, or has failed too often.
func (c *client) retry(ctx context.Context, try func() error) error {
	for failures := 1; ; failures++ {
		err := try()
		if err == nil || !errors.Is(err, ErrNetwork) || ctx.Err() != nil {
			return err
		}
		if err := c.again(ctx, failures, err); err != nil {
			return err
		}
	}
}

// again waits before the next try, or says that there have been enough.
func (c *client) again(ctx context.Context, failures int, err error) error {
	if failures >= c.Tries {
		return fmt.Errorf("after %d tries: %w", failures, err)
	}
	return c.wait(ctx, failures, err)
}

// wait sleeps between tries: a random time, so that hosts that failed together
// do not come back together.
func (c *client) wait(ctx context.Context, failures int, err error) error {
	most := min(c.Backoff<<min(failures-1, 16), longestBackoff)
	pause := most/2 + rand.N(most/2+1)
	if l, ok := errors.AsType[later](err); ok {
		pause = max(pause, min(time.Duration(l), longestBackoff))
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Where shows the address of a metadata file.
func (r remote) Where(name string) string {
	at, err := r.address(r.base, name)
	if err != nil {
		return name
	}
	return shown(at)
}

// errSlow is why a metadata file is given up that does come, but hardly.
var errSlow = errors.New("it comes too slowly")

// Metadata implements Source. Metadata is small, and others wait while it is
// read, so the whole of it has a time-out too.
func (r remote) Metadata(ctx context.Context, name string, limit int64) ([]byte, error) {
	at, err := r.address(r.base, name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, wholePerIdle*r.Idle, errSlow)
	defer cancel()
	var data []byte
	err = r.retry(ctx, func() error {
		data, err = r.metadata(ctx, at, limit)
		return err
	})
	return data, err
}

func (r remote) metadata(ctx context.Context, at *url.URL, limit int64) (data []byte, err error) {
	answer, err := r.get(ctx, at, http.Header{})
	if err != nil {
		return nil, err
	}
	defer answer.body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, answer.unasked()
	}
	if answer.ContentLength > limit {
		return nil, tooLong(answer.what(), limit)
	}
	data, err = io.ReadAll(io.LimitReader(answer.body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, tooLong(answer.what(), limit)
	}
	return data, answer.checkMetadata(data)
}

// Target implements Source. What breaks off is asked for again from where it
// broke off; the reader of the body does not notice.
func (r remote) Target(ctx context.Context, want Fetch) (*Body, error) {
	at, err := r.address(r.base, quotePath(want.Name))
	if err != nil {
		return nil, err
	}
	b := &resuming{ctx: ctx, remote: r, at: at, length: want.Length, end: want.Length, validator: want.Validator, known: want.Known}
	if b.part = want.End > 0; b.part {
		b.end = want.End
	}
	if err := r.retry(ctx, func() error { return b.open(want.Offset) }); err != nil {
		return nil, err
	}
	b.mark = b.offset
	return &Body{ReadCloser: b, Offset: b.offset, Validator: b.validator, Where: b.answer.where}, nil
}

func quotePath(name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = quote(part)
	}
	return strings.Join(parts, "/")
}

// resuming is a target's body over as many requests as it takes.
type resuming struct {
	ctx context.Context // an io.Reader's Read takes none
	remote
	at        *url.URL
	length    int64
	part      bool                         // the part up to end, or nothing: never the whole instead
	end       int64                        // where the reader stops
	validator string                       // of the body; a part of another one would be worthless
	known     func(io.Reader, int64) error // see Fetch

	answer *response // nil: none open
	offset int64     // of the next byte that the reader gets

	failures int   // since
	mark     int64 // this offset
}

// open asks for the body from offset on. b.offset is where it really begins: a
// server that does not send the part that was asked for is asked for the whole.
func (b *resuming) open(offset int64) error {
	answer, start, err := b.request(offset)
	if errors.Is(err, ErrRange) && offset > 0 && !b.part {
		answer, start, err = b.request(0)
	}
	if err != nil {
		return err
	}
	b.answer, b.offset = answer, start
	if !b.part { // parts are proved one by one, whichever server behind the address they come from
		b.validator = validatorOf(answer.Header)
	}
	return nil
}

func (b *resuming) request(offset int64) (answer *response, start int64, err error) {
	header := http.Header{}
	if asked := b.span(offset); asked != "" {
		header.Set("Range", asked)
		if b.validator != "" {
			header.Set("If-Range", b.validator)
		}
	}
	if answer, err = b.get(b.ctx, b.at, header); err != nil {
		return nil, 0, err
	}
	if start, err = b.begin(answer, offset); err != nil {
		return nil, 0, errors.Join(err, answer.body.Close())
	}
	return answer, start, nil
}

// span is what to ask for from offset on; empty for the whole.
func (b *resuming) span(offset int64) string {
	switch {
	case b.part:
		return fmt.Sprintf("bytes=%d-%d", offset, b.end-1)
	case offset > 0:
		return fmt.Sprintf("bytes=%d-", offset)
	}
	return ""
}

// validatorOf is what later requests say which body they have a part of. Weak
// tags do not promise the same bytes.
func validatorOf(h http.Header) string {
	if tag := h.Get("ETag"); strings.HasPrefix(tag, `"`) {
		return tag
	}
	return h.Get("Last-Modified")
}

// sameFile tells whether a part is of the file that has this validator. A server
// need not repeat it, and a proxy may have weakened a tag.
func sameFile(h http.Header, validator string) bool {
	got := h.Get("Last-Modified")
	if strings.HasPrefix(validator, `"`) {
		got = strings.TrimPrefix(h.Get("ETag"), "W/")
	}
	return got == "" || validator == "" || got == validator
}

// begin checks which part of the file an answer is.
func (b *resuming) begin(answer *response, asked int64) (start int64, err error) {
	total := answer.ContentLength
	if b.part && answer.StatusCode != http.StatusPartialContent {
		return 0, answer.noPart("the whole file, or another one, expected %s of it", b.span(asked))
	}
	if answer.StatusCode == http.StatusPartialContent {
		if asked == 0 && !b.part {
			return 0, answer.unasked()
		}
		if start, total, err = contentRange(answer.Header.Get("Content-Range")); err != nil {
			return 0, answer.noPart("%v", err)
		}
		if start != asked {
			return 0, answer.noPart("a part from %d on, expected %s", start, b.span(asked))
		}
		if !sameFile(answer.Header, b.validator) {
			return 0, answer.noPart("a part of another file, expected that with %s", printable(b.validator))
		}
	}
	if total >= 0 && total != b.length {
		return 0, answer.wrongLength(total, b.length)
	}
	return start, nil
}

// contentRange reads "bytes 5-9/10"; total is -1 for "*".
func contentRange(text string) (start, total int64, err error) {
	bad := fmt.Errorf("Content-Range %q, expected bytes FIRST-LAST/LENGTH", printable(text))
	span, size, ok := strings.Cut(strings.TrimPrefix(text, "bytes "), "/")
	if !ok || !strings.HasPrefix(text, "bytes ") {
		return 0, 0, bad
	}
	first, last, ok := strings.Cut(span, "-")
	start, err1 := strconv.ParseInt(first, 10, 64)
	end, err2 := strconv.ParseInt(last, 10, 64)
	if !ok || err1 != nil || err2 != nil || start < 0 || end < start {
		return 0, 0, bad
	}
	if size == "*" {
		return start, -1, nil
	}
	total, err = strconv.ParseInt(size, 10, 64)
	if err != nil || total <= end {
		return 0, 0, bad
	}
	return start, total, nil
}

// progress is what begins the count of tries again: less would let a server
// keep us for ever with a byte a try.
const progress = 64 << 10

func (b *resuming) Read(p []byte) (int, error) {
	for {
		n, err := b.readOpen(p)
		if n > 0 || err == nil || !errors.Is(err, ErrNetwork) || b.ctx.Err() != nil {
			return n, err
		}
		if b.offset-b.mark >= progress {
			b.failures, b.mark = 0, b.offset
		}
		b.failures++
		if err := b.again(b.ctx, b.failures, err); err != nil {
			return 0, err
		}
	}
}

// readOpen reads from the open body, or one opened where the last broke off. A
// body that ends too early is taken for a broken connection; one that goes on too long is
// for whoever counts to refuse.
func (b *resuming) readOpen(p []byte) (int, error) {
	if b.answer == nil {
		if err := b.reopen(); err != nil {
			return 0, err
		}
	}
	n, err := b.answer.body.Read(p)
	b.offset += int64(n)
	switch {
	case errors.Is(err, io.EOF) && b.offset >= b.end:
		return n, io.EOF
	case errors.Is(err, io.EOF):
		err = b.answer.tooShort(b.offset, b.end)
	case err == nil:
		return n, nil
	}
	err = errors.Join(err, b.Close())
	if n > 0 && errors.Is(err, ErrNetwork) {
		err = nil // the next Read resumes
	}
	return n, err
}

// reopen opens the body at the next byte. A server that sends it from the
// beginning has that part passed over: the reader has it already. If it is not the
// same, the file was replaced, and the rest of it would not fit.
func (b *resuming) reopen() error {
	next := b.offset
	if err := b.open(next); err != nil || b.offset == next {
		return err
	}
	again := &io.LimitedReader{R: b.answer.body, N: next}
	err := b.known(again, next)
	b.offset = next
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = b.answer.tooShort(next-again.N, b.end)
	}
	return errors.Join(err, b.Close())
}

// Close implements io.Closer.
func (b *resuming) Close() error {
	if b.answer == nil {
		return nil
	}
	err := b.answer.body.Close()
	b.answer = nil
	return err
}
