//go:build integration

package powerloss

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/key"
)

// These variables, when set, make the test binary a program that is traced. They
// hold the folder of its store, or of its host.
const (
	storeVariable = "HOSTLER_POWERLOSS_STORE"
	hostVariable  = "HOSTLER_POWERLOSS_HOST"
)

func TestMain(m *testing.M) {
	for variable, program := range map[string]func(dir string) error{storeVariable: commitAll, hostVariable: updateAll} {
		dir := os.Getenv(variable)
		if dir == "" {
			continue
		}
		// One thread makes all commits, because strace counts calls per thread.
		runtime.LockOSThread()
		if err := program(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// announce tells the world, in one write that the trace shows.
func announce(format string, args ...any) {
	fmt.Fprintf(os.Stdout, "mark "+format+"\n", args...)
}

// commitAll is the program: it opens a store, makes every commit of the
// workload, and closes the store. A commit that fails must leave what was
// before, and succeed when it is made again.
func commitAll(dir string) error {
	path := filepath.Join(dir, "state", "datastore.db")
	announce("begin")
	s, err := datastore.Open(path, options())
	if err != nil {
		return err
	}
	before, err := fingerprint(s)
	if err != nil {
		return err
	}
	announce("done %s", before)
	for i, c := range workload() {
		if before, err = commit(s, c, before); err != nil {
			return fmt.Errorf("commit %d: %w", i, err)
		}
	}
	if err := s.Close(); err != nil {
		return err
	}
	announce("closed")
	return nil
}

// maxFailures is how often in a row a commit may fail.
const maxFailures = 8

// commit makes one commit, again as long as it fails, and returns what the
// store holds then.
func commit(s *datastore.Store, c func(*datastore.Tx) error, before string) (string, error) {
	for range maxFailures + 1 {
		announce("begin")
		failed := s.Update(context.Background(), datastore.Author{Reason: "test"}, c)
		after, err := fingerprint(s)
		switch {
		case err != nil:
			return "", errors.Join(failed, err)
		case failed == nil:
			announce("done %s", after)
			return after, nil
		case after != before:
			return "", fmt.Errorf("something of a failed commit is visible: %w", failed)
		}
		announce("failed %v", failed)
	}
	return "", errors.New("the store does not recover")
}

func options() datastore.Options {
	return datastore.Options{Now: func() time.Time { return time.Unix(1e9, 0) }, BootID: "boot"}
}

// fingerprint is a digest of all that can be read from a store.
func fingerprint(s *datastore.Store) (string, error) {
	snap, h := s.Snapshot(), sha256.New()
	fmt.Fprintf(h, "%s\n", snap.JSON())
	for _, k := range snap.InLayer(api.LayerUser, "") {
		o, _ := snap.Origin(k)
		text, err := json.Marshal(o)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %s\n", k, text)
	}
	for _, name := range s.PendingNames() {
		fmt.Fprintf(h, "%q %v\n", name, s.Pending(name))
	}
	history, err1 := s.History("", 0, 1000)
	changes, err2 := s.Changes(0, 1000)
	open, err3 := s.OpenChanges()
	file, err4 := s.File("/etc/motd")
	text, err5 := json.Marshal([]any{history, changes, open, file})
	h.Write(text)
	return fmt.Sprintf("%x", h.Sum(nil)[:8]), errors.Join(err1, err2, err3, err4, err5)
}

// workload is commits that grow, split, merge and overflow pages, in every table.
func workload() []func(*datastore.Tx) error {
	set := func(pairs ...key.Pair) func(*datastore.Tx) error {
		return func(tx *datastore.Tx) error {
			return tx.Edit(datastore.Edits{Layer: api.LayerUser, Set: pairs})
		}
	}
	return []func(*datastore.Tx) error{
		set(pair("motd", "hello")),
		set(many(300, "x")...),
		func(tx *datastore.Tx) error {
			id, err := tx.NextChange()
			return errors.Join(err, tx.SetPending("t", many(20, "pending")), tx.SetPending("é", many(2, "more")),
				tx.PutChange(id, true, []byte(strings.Repeat("plan ", 1000))))
		},
		func(tx *datastore.Tx) error {
			pairs, err := tx.DropPending("t")
			return errors.Join(err, tx.Edit(datastore.Edits{Layer: api.LayerUserData, Set: pairs}),
				tx.PutFile("/etc/motd", []byte("digest")), tx.PutChange(1, false, []byte("done")))
		},
		func(tx *datastore.Tx) error {
			e := datastore.Edits{Layer: api.LayerUser}
			for _, p := range many(250, "") {
				e.Unset = append(e.Unset, p.Key)
			}
			return tx.Edit(e)
		},
		set(pair("large", strings.Repeat("large ", 4000))),
		set(many(200, strings.Repeat("y", 100))...),
		func(tx *datastore.Tx) error {
			_, err := tx.DropPending("é")
			return errors.Join(err, tx.Edit(datastore.Edits{Layer: api.LayerUser, Unset: []key.Key{"settings.large"}}))
		},
		set(pair("motd", "one")),
		set(pair("motd", "two")),
		set(pair("motd", "three")),
	}
}

func many(n int, value string) []key.Pair {
	var pairs []key.Pair
	for i := range n {
		pairs = append(pairs, pair(fmt.Sprintf("many.k%d", i), value))
	}
	return pairs
}

func pair(name, value string) key.Pair {
	return key.Pair{Key: key.Key("settings." + name), Value: fmt.Appendf(nil, "%q", value)}
}
