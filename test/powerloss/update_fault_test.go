//go:build integration

package powerloss

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/hostler-os/hostler/internal/durable/durabletest"
)

// The proof of the proof: when any sync of the disk is missing, that is noticed,
// and so is the one before the name that makes the release's metadata be found.
func TestEverySyncOfTheDiskIsNeeded(t *testing.T) {
	for name, inParts := range map[string]bool{"whole images": false, "what is missing": true} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, inParts)
			log, err := recordUpdate(t, h)
			if err != nil {
				t.Fatal(err)
			}
			leaveOutSyncs(t, h, log)
		})
	}
}

func leaveOutSyncs(t *testing.T, h *host, log durabletest.Log) {
	t.Helper()
	left := 0
	for i, op := range log.Ops {
		if !op.Syncs() || !needed(log, i) {
			continue
		}
		left++
		if _, err := h.crashes(log.Without(i), i, 0); err == nil {
			t.Errorf("nobody noticed that %s of %s (operation %d) was missing", op.Kind, op.Path, i)
		}
	}
	t.Logf("%d syncs left out in turn", left)
	if left < 10 {
		t.Error("that is too few")
	}
}

// needed tells whether a sync is of the disk and follows a write to the same
// part, or of the metadata that is found first.
func needed(log durabletest.Log, i int) bool {
	if strings.Contains(log.Ops[i].Path, "/.timestamp.json.") && strings.HasPrefix(log.Ops[i].Path, "var/cache") {
		return true
	}
	return strings.HasPrefix(log.Ops[i].Path, "disk ") && log.Ops[i-1].Kind == durabletest.Write
}

// Every call that writes may fail, because the disk is full or broken, from
// some point on or once: the host boots what it ran or all of the release, and
// the next attempt succeeds.
func TestEveryCallOfAnUpdateMayFail(t *testing.T) {
	for _, name := range []string{"write", "pwrite64", "fsync", "renameat", "mkdirat"} {
		for _, f := range []fault{{name, syscall.ENOSPC, 1000}, {name, syscall.EIO, 1}} {
			t.Run(fmt.Sprint(f), func(t *testing.T) {
				h := newHost(t, false)
				n := 0
				for h.failCall(f, n+1) {
					n++
				}
				t.Logf("%d calls failed in turn", n)
				if n == 0 {
					t.Error("no call failed")
				}
			})
		}
	}
}

// failCall lets the n-th call fail, and perhaps those after it; false if there are fewer.
func (h *host) failCall(how fault, n int) bool {
	h.t.Helper()
	f, err := h.restore(h.asLaid(), []string{"begin update-image", "begin update-apply"})
	h.must(err)
	trace, failed := run(h.t, hostVariable, f.dir, "-e", how.option(n))
	if !strings.Contains(string(trace), "(INJECTED)") {
		return false
	}
	if failed == nil {
		f.marks = append(f.marks, "done update-image", "done update-apply")
	}
	h.must(f.look())
	if err := f.check(); err != nil {
		h.t.Errorf("%s: %v\nthe update said: %v", how.option(n), err, failed)
	}
	if err := f.again(); err != nil {
		h.t.Errorf("%s, the next attempt: %v", how.option(n), err)
	}
	return true
}
