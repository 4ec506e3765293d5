package tufrepo

import (
	"fmt"
	"time"
)

// Expiry says whether metadata whose time is over is refused.
type Expiry int

const (
	// EnforceExpiry refuses it: for everything that looks for something new.
	EnforceExpiry Expiry = iota
	// IgnoreExpiry accepts it: for a boot, where a host may have been switched
	// off for weeks and only asks whether what it has stored is authentic.
	IgnoreExpiry
)

// trust is what a host believes, and the rules by which it comes to believe
// more. It does no input or output: bytes come in, and are believed or not.
type trust struct {
	expiry Expiry
	now    func() time.Time

	root      signed[rootBody]
	timestamp *signed[timestampBody]
	snapshot  *signed[snapshotBody]
	targets   *signed[targetsBody]
}

func checkExpired[T body](t *trust, s signed[T]) error {
	if t.expiry == IgnoreExpiry {
		return nil
	}
	return s.expired(t.now())
}

func rootKeys(root *rootBody, role string) keyring {
	return keyring{root.Keys, *root.Roles[role]}
}

// firstRoot believes the root that the image brought, if it is signed by its own keys.
func (t *trust) firstRoot(raw []byte) error {
	root, err := parse[rootBody](rootRole, rootRole, raw)
	if err != nil {
		return fmt.Errorf("trusted %w", err)
	}
	if err := rootKeys(&root.body, rootRole).verify("trusted root metadata", root.envelope); err != nil {
		return err
	}
	t.root = root
	return nil
}

// nextRoot goes one step along the root chain: version N+1 exactly, signed by
// enough keys of the old root and of the new one.
func (t *trust) nextRoot(raw []byte) error {
	root, err := parse[rootBody](rootRole, rootRole, raw)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%s, version %d", metadataOf(rootRole), t.root.version+1)
	if err := rootKeys(&t.root.body, rootRole).verify(what+", by the old keys", root.envelope); err != nil {
		return err
	}
	if err := rootKeys(&root.body, rootRole).verify(what+", by its own keys", root.envelope); err != nil {
		return err
	}
	if err := (announced{version: t.root.version + 1}).checkVersion(rootRole, root.version); err != nil {
		return err
	}
	t.root = root
	return nil
}

// parseFor reads metadata of a role that the root speaks of, and checks its signatures.
func parseFor[T body](t *trust, role string, raw []byte) (signed[T], error) {
	s, err := parse[T](role, role, raw)
	if err != nil {
		return s, err
	}
	err = rootKeys(&t.root.body, role).verify(metadataOf(role), s.envelope)
	s.forget()
	return s, err
}

// newTimestamp takes a timestamp that a source sent. It answers false if it is
// of the version that is trusted already, which then stays. old is what was
// trusted before, nil if nothing.
func (t *trust) newTimestamp(raw []byte, old *signed[timestampBody]) (bool, error) {
	s, err := parseFor[timestampBody](t, timestampRole, raw)
	if err != nil {
		return false, err
	}
	if old != nil {
		if s.version < old.version {
			return false, rollback(metadataOf(timestampRole), s.version, old.version)
		}
		if s.version == old.version {
			t.timestamp = old
			return false, checkExpired(t, *old)
		}
		next, last := s.body.Meta["snapshot.json"].Version, old.body.Meta["snapshot.json"].Version
		if next < last {
			return false, rollback("snapshot.json as timestamp metadata has it", next, last)
		}
	}
	if err := checkExpired(t, s); err != nil {
		return false, err
	}
	t.timestamp = &s
	return true, nil
}

// newSnapshot takes a snapshot that the trusted timestamp announces.
func (t *trust) newSnapshot(raw []byte, old *signed[snapshotBody]) error {
	a := announcement(t.timestamp.body.Meta["snapshot.json"])
	if err := a.hashes.check(metadataOf(snapshotRole), raw, a.length); err != nil {
		return err
	}
	s, err := parseFor[snapshotBody](t, snapshotRole, raw)
	if err != nil {
		return err
	}
	if err := a.checkVersion(snapshotRole, s.version); err != nil {
		return err
	}
	if err := notBefore(old, s); err != nil {
		return err
	}
	if err := checkExpired(t, s); err != nil {
		return err
	}
	t.snapshot = &s
	return nil
}

// notBefore finds roles that a new snapshot takes back or has forgotten.
func notBefore(old *signed[snapshotBody], s signed[snapshotBody]) error {
	if old == nil {
		return nil
	}
	for name, last := range old.body.Meta {
		next := s.body.Meta[name]
		if next == nil {
			return &Error{
				Kind: ErrRollback, What: metadataOf(snapshotRole),
				Text: printable(name) + " is gone, which was trusted before", Hint: rollbackHint,
			}
		}
		if next.Version < last.Version {
			return rollback(printable(name)+" as snapshot metadata has it", next.Version, last.Version)
		}
	}
	return nil
}

// newTargets takes the top-level targets that the trusted snapshot announces.
func (t *trust) newTargets(raw []byte) error {
	root := rootKeys(&t.root.body, targetsRole)
	s, err := t.anyTargets(targetsRole, root, raw)
	if err != nil {
		return err
	}
	t.targets = &s
	return nil
}

// anyTargets checks targets metadata, top-level or delegated, against the keys
// of whoever delegates and against the snapshot.
func (t *trust) anyTargets(role string, keys keyring, raw []byte) (signed[targetsBody], error) {
	none := signed[targetsBody]{}
	what := metadataOf(printable(role))
	meta := t.snapshot.body.Meta[role+".json"]
	if meta == nil {
		return none, &Error{
			Kind: ErrDelegation, What: what, Text: "the snapshot does not speak of it",
			Hint: "the repository is inconsistent: ask its publisher",
		}
	}
	a := announcement(meta)
	if err := a.hashes.check(what, raw, a.length); err != nil {
		return none, err
	}
	s, err := parse[targetsBody](role, targetsRole, raw)
	if err != nil {
		return none, err
	}
	if err := keys.verify(what, s.envelope); err != nil {
		return none, err
	}
	s.forget()
	if err := a.checkVersion(role, s.version); err != nil {
		return none, err
	}
	return s, checkExpired(t, s)
}

const rollbackHint = "an old state of the repository is being served, by a stale mirror or an attacker; " +
	"compare the metadata address with the publisher's, and try again later"

func rollback(what string, got, trusted int64) error {
	return &Error{
		Kind: ErrRollback, What: what,
		Text: fmt.Sprintf("version %d, but version %d was trusted before", got, trusted),
		Hint: rollbackHint,
	}
}
