package excerpt

import (
	"bytes"
	"strings"
)

// Head keeps the first Limit bytes that are written to it.
type Head struct {
	Limit int
	Full  func() // called for each writing beyond the limit; nil: nobody is

	kept []byte
	over bool
}

// Write implements io.Writer. It never fails.
func (h *Head) Write(p []byte) (int, error) {
	keep := min(len(p), h.Limit-len(h.kept))
	h.kept = append(h.kept, p[:keep]...)
	if keep < len(p) {
		h.over = true
		if h.Full != nil {
			h.Full()
		}
	}
	return len(p), nil
}

// Bytes is what was kept.
func (h *Head) Bytes() []byte { return h.kept }

// Over tells whether there was more.
func (h *Head) Over() bool { return h.over }

// Tail keeps the last Limit bytes that are written to it.
type Tail struct {
	Limit int

	kept bytes.Buffer
	cut  bool
}

// Write implements io.Writer. It never fails.
func (t *Tail) Write(p []byte) (int, error) {
	n := len(p)
	if n > t.Limit {
		p, t.cut = p[n-t.Limit:], true
	}
	if over := t.kept.Len() + len(p) - t.Limit; over > 0 {
		t.kept.Next(over)
		t.cut = true
	}
	t.kept.Write(p)
	return n, nil
}

// String is what was kept as text without its last line ends, after an ellipsis
// if it is not all. Characters that were cut in two are marked as such.
func (t *Tail) String() string {
	text := strings.TrimRight(strings.ToValidUTF8(t.kept.String(), "\uFFFD"), "\n")
	if t.cut {
		return "…" + text
	}
	return text
}
