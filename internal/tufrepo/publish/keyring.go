package publish

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hostler-os/hostler/internal/tufrepo/signer"
)

// RoleKeys is what a root says of a role: whose signatures count, and how many are needed.
type RoleKeys struct {
	KeyIDs    []string       `json:"keyids"`
	Threshold int            `json:"threshold"`
	Unknown   jsontext.Value `json:",embed"`
}

// Keyring is the keys of one role of one root.
type Keyring struct {
	Role      string
	Version   int64 // of the root
	Threshold int
	ids       []string
	keys      map[string]signer.Key
}

// Tally is how far a document is signed.
type Tally struct {
	Keyring
	Signed  []string // ids of keys that did
	Missing []string // ids of keys that may and did not
}

// Enough tells whether the threshold is met.
func (t Tally) Enough() bool { return len(t.Signed) >= t.Threshold }

// Tally counts the different keys that signed a document.
func (k Keyring) Tally(d *Document) (Tally, error) {
	message, err := d.message()
	if err != nil {
		return Tally{}, err
	}
	t := Tally{Keyring: k}
	var counted []signer.Key
	for _, id := range k.ids {
		key := k.keys[id]
		if slices.ContainsFunc(counted, key.Same) {
			continue // the same key under another id
		}
		if d.valid(id, key, message) {
			t.Signed = append(t.Signed, id)
			counted = append(counted, key)
		} else {
			t.Missing = append(t.Missing, id)
		}
	}
	return t, nil
}

// idsOf are the ids that a key has here: almost always one, or none.
func (k Keyring) idsOf(key signer.Key) (ids []string) {
	for _, id := range k.ids {
		if k.keys[id].Same(key) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Knows tells whether a key may sign.
func (k Keyring) Knows(key signer.Key) bool { return len(k.idsOf(key)) > 0 }

// Sign lets those of the signers sign that may according to one of the
// keyrings, each once, and returns how many did.
func Sign(ctx context.Context, d *Document, signers []signer.Signer, rings ...Keyring) (int, error) {
	message, err := d.message()
	if err != nil {
		return 0, err
	}
	signed := 0
	for _, s := range signers {
		var ids []string
		for _, k := range rings {
			ids = append(ids, k.idsOf(s.Key())...)
		}
		if len(ids) == 0 {
			continue
		}
		sig, err := s.Sign(ctx, message)
		if err != nil {
			return signed, err
		}
		for _, id := range ids {
			d.put(id, sig)
		}
		signed++
	}
	return signed, nil
}

// ThresholdError is returned for metadata that too few keys have signed.
type ThresholdError struct {
	Tally
	What string // the document, for people
}

func (e *ThresholdError) Error() string {
	return fmt.Sprintf("%s: signed by %d of the %d keys that root version %d asks for in role %s",
		e.What, len(e.Signed), e.Threshold, e.Version, e.Role)
}

// Hint names the keys whose signatures are missing.
func (e *ThresholdError) Hint() string {
	var text strings.Builder
	text.WriteString(fmt.Sprintf("%d more of these must sign:", e.Threshold-len(e.Signed)))
	for _, id := range e.Missing {
		text.WriteString(fmt.Sprintf(" %s (%s)", ShortID(id), e.keys[id].Kind()))
	}
	return text.String()
}

// require returns a ThresholdError unless enough keys of the ring signed.
func (k Keyring) require(what string, d *Document) error {
	t, err := k.Tally(d)
	if err != nil {
		return err
	}
	if !t.Enough() {
		return &ThresholdError{t, what}
	}
	return nil
}

// ShortID is enough of an id to tell keys apart.
func ShortID(id string) string { return id[:min(12, len(id))] }
