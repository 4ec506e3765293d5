package server

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
)

// query is a query string as a map; of duplicates the last one counts.
type query map[string]string

// parseQuery reads form encoding the way browsers and the reference's HTTP
// library do, which never fails: a stray % stands for itself, bytes that are
// not UTF-8 become U+FFFD, and ';' separates nothing.
func parseQuery(raw string) query {
	q := query{}
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		q[decodeForm(name)] = decodeForm(value)
	}
	return q
}

func decodeForm(s string) string {
	if !strings.ContainsAny(s, "%+") && utf8.ValidString(s) {
		return s
	}
	text, err := url.QueryUnescape(s)
	if err != nil {
		text = unescapeLoosely(s)
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// unescapeLoosely is QueryUnescape that keeps what is no escape.
func unescapeLoosely(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b.WriteByte(' ')
		case s[i] == '%' && i+2 < len(s) && hex(s[i+1]) >= 0 && hex(s[i+2]) >= 0:
			b.WriteByte(byte(hex(s[i+1])<<4 | hex(s[i+2])))
			i += 2
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func hex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// list returns the comma-separated elements of a parameter; false if it is
// not given. An element may be empty, the whole must not.
func (q query) list(name string) ([]string, bool, error) {
	value, ok, err := q.text(name)
	if !ok || err != nil {
		return nil, ok, err
	}
	return strings.Split(value, ","), true, nil
}

// text returns a parameter that must not be empty; false if it is not given.
func (q query) text(name string) (string, bool, error) {
	value, ok := q[name]
	if ok && value == "" {
		return "", true, emptyInput(name)
	}
	return value, ok, nil
}

// keys returns the parameter keys, parsed; false if it is not given.
func (q query) keys() ([]key.Key, bool, error) {
	names, ok, err := q.list("keys")
	if !ok || err != nil {
		return nil, ok, err
	}
	keys := make([]key.Key, len(names))
	for i, name := range names {
		if keys[i], err = key.Parse(name); err != nil {
			return nil, true, badKey(name, err)
		}
	}
	return keys, true, nil
}

// transaction is the name of the transaction that a request speaks of. The empty name is a name.
func (q query) transaction() string {
	if name, ok := q["tx"]; ok {
		return name
	}
	return defaultTransaction
}

// strength is how long what is staged shall stay.
func (q query) strength() (api.Strength, error) {
	switch given := api.Strength(q["strength"]); given {
	case "", api.StrengthStrong:
		if _, ok := q["strength"]; ok && given == "" {
			return "", emptyInput("strength")
		}
		return api.StrengthStrong, nil
	case api.StrengthWeak:
		return given, nil
	default:
		return "", &api.Error{
			Code: api.CodeInvalid, Hint: "leave it out for strong",
			Message: fmt.Sprintf("Provided strength is not one of weak or strong. The given strength is: %s", given),
		}
	}
}

// Transactions that have a meaning of their own.
const (
	defaultTransaction = "default"
	bootTransaction    = "bottlerocket-launch"
)

// layers are those that a request may write.
var layers = map[api.Layer]bool{api.LayerUser: true, api.LayerUserData: true, api.LayerGenerated: true}

// layer is where a commit of a transaction goes: what boot stages is user data
// unless the request says otherwise.
func (q query) layer(transaction string) (api.Layer, error) {
	given, ok := q["layer"]
	switch {
	case !ok && transaction == bootTransaction:
		return api.LayerUserData, nil
	case !ok:
		return api.LayerUser, nil
	}
	return checkLayer(api.Layer(given))
}

func checkLayer(l api.Layer) (api.Layer, error) {
	if !layers[l] {
		return "", &api.Error{
			Code:    api.CodeInvalid,
			Message: fmt.Sprintf("Layer '%s' cannot be written", l),
			Hint:    "one of user, user-data, generated",
		}
	}
	return l, nil
}

// Bounds of lists and waits.
const (
	defaultLimit = 50
	maxLimit     = 1000
	maxWait      = time.Hour
)

// page is which part of a list is asked for: entries before an id (0: from the
// newest), and how many at most.
func (q query) page() (before uint64, limit int, err error) {
	if limit, err = q.limit(); err != nil {
		return 0, 0, err
	}
	before, err = q.number("before", 0)
	return before, limit, err
}

// limit is how many entries a list may have.
func (q query) limit() (int, error) {
	n, err := q.number("limit", defaultLimit)
	if err == nil && (n < 1 || n > maxLimit) {
		err = invalid("Input 'limit' must be from 1 to %d", maxLimit)
	}
	return int(n), err
}

// number reads an unsigned number; fallback if it is not given.
func (q query) number(name string, fallback uint64) (uint64, error) {
	value, ok, err := q.text(name)
	if !ok || err != nil {
		return fallback, err
	}
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		return 0, invalid("Input '%s' is not an unsigned number", name)
	}
	return n, nil
}

// wait is how long an answer may be held back for its change to be over.
func (q query) wait() (time.Duration, error) {
	value, ok, err := q.text("wait")
	if !ok || err != nil {
		return 0, err
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 {
		return 0, invalid("Input 'wait' is not a duration such as 30s")
	}
	return min(d, maxWait), nil
}
