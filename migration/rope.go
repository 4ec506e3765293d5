package migration

// rope is a text in pieces. What stands one behind the other in a text that was
// read is one piece of it, however many members that are: a document of which
// little is changed is written out of the memory into which it was read.
type rope struct {
	pieces [][]byte
	own    []byte // what was added since the last piece
	span   []byte // what comes after own: of a text that was read, and may go on there
}

// shortSpan is the length, in bytes, up to which copying costs less than a piece.
const shortSpan = 256

// add appends a text that may change afterwards.
func (r *rope) add(text string) {
	r.end()
	r.own = append(r.own, text...)
}

// stay appends a text that will not change.
func (r *rope) stay(text []byte) {
	r.end()
	r.span = text
}

// follow appends a comma and text if they follow in the memory of what was appended last.
func (r *rope) follow(text []byte) bool {
	n := len(r.span)
	if n == 0 || cap(r.span) <= n+len(text) {
		return false
	}
	longer := r.span[:n+1+len(text)]
	if longer[n] != ',' || &longer[n+1] != &text[0] {
		return false
	}
	r.span = longer
	return true
}

// end ends the span.
func (r *rope) end() {
	switch n := len(r.span); {
	case n == 0:
	case n < shortSpan:
		r.own = append(r.own, r.span...)
	default:
		r.cut()
		r.pieces = append(r.pieces, r.span)
	}
	r.span = nil
}

func (r *rope) cut() {
	if len(r.own) > 0 {
		r.pieces = append(r.pieces, r.own)
		r.own = r.own[len(r.own):]
	}
}

// all are the pieces. Nothing is appended afterwards.
func (r *rope) all() [][]byte {
	r.end()
	r.cut()
	return r.pieces
}
