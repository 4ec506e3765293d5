package bootstage

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Parameters of this program on the kernel's command line all begin with ours.
// The kernel hands them on, and systemd ignores them.
const (
	ours     = "hostler."
	disk     = ours + "disk"     // the disk with the slots; default: the only one
	slotName = ours + "slot"     // the slot whose kernel this is: it has been taken already
	rootHash = ours + "roothash" // in a slot's parameters: what its root leads up to, in hexadecimal
)

// parameters are a kernel's, in their order.
type parameters []string

// maxParameters bounds a command line; kernels take less.
const maxParameters = 4096

// parseParameters splits a command line at spaces outside of double quotes.
func parseParameters(text string) parameters {
	quoted := false
	return strings.FieldsFunc(text, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && (r == ' ' || r == '\t' || r == '\n' || r == '\r')
	})
}

func (p parameters) String() string { return strings.Join(p, " ") }

// get is the value of the last parameter of a name; "" without one.
func (p parameters) get(name string) string {
	for _, word := range slices.Backward(p) {
		if value, ok := strings.CutPrefix(word, name+"="); ok {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}

// hash is the root hash that a slot's parameters name.
func (p parameters) hash() ([]byte, error) {
	text := p.get(rootHash)
	if text == "" {
		return nil, fmt.Errorf("%s is missing: without it the root cannot be proved", rootHash)
	}
	hash, err := hex.DecodeString(text)
	if err == nil && len(hash) < 16 {
		err = errors.New("it is too short")
	}
	if err != nil {
		return nil, fmt.Errorf("%s=%s: %w", rootHash, text, err)
	}
	return hash, nil
}

// covers tells whether a kernel with these parameters is as good as one with
// those of a slot: all of them are here, but for ours.
func (p parameters) covers(slot parameters) bool {
	for _, word := range slot {
		if !strings.HasPrefix(word, ours) && !slices.Contains(p, word) {
			return false
		}
	}
	return true
}
