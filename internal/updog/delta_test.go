package updog

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pierrec/lz4/v4"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/update/delta"
	"github.com/hostler-os/hostler/internal/update/journal"
	"github.com/hostler-os/hostler/internal/update/updatetest"
)

// rootSize is that of the root's image, of which about an eighth has to be
// fetched, and otherSize that of the others, in bytes.
const (
	rootSize  = 12 << 20
	otherSize = 60_000
)

// newDelta is a host that is offered a release of which the root has an index,
// and runs one that differs from it in many places, far from each other.
func newDelta(t *testing.T) (h *updatetest.Host, root []byte) {
	t.Helper()
	h = updatetest.New(t, paths.Root(t.TempDir()), "1.20.0")
	h.Offer("1.21.0", otherSize)
	root = updatetest.Image("1.21.0", 0, rootSize)
	var packed, index, blocks bytes.Buffer
	z := lz4.NewWriter(&packed)
	_, err := z.Write(root)
	if err := errors.Join(err, z.Close(), delta.Build(t.Context(), bytes.NewReader(root), &index, &blocks)); err != nil {
		t.Fatal(err)
	}
	name := h.Manifest.Updates[0].Images.Root
	h.Repo.AddTarget("targets", name, packed.Bytes())
	h.Repo.AddTarget("targets", delta.IndexName(name), index.Bytes())
	h.Repo.AddTarget("targets", delta.BlocksName(name), blocks.Bytes())
	h.Publish()
	old := bytes.Clone(root)
	for at := 0; at < len(old); at += 256 << 10 {
		copy(old[at:], "this is what the old version has")
	}
	withRoot(t, h, slot.A, os.O_WRONLY, func(f *os.File, offset int64) error {
		_, err := f.WriteAt(old, offset)
		return err
	})
	return h, root
}

// withRoot opens the disk of which the root of a slot is a part.
func withRoot(t *testing.T, h *updatetest.Host, name slot.Name, how int, do func(f *os.File, offset int64) error) {
	t.Helper()
	e := h.Sets().Extents[name][slot.RootPartition]
	f, err := os.OpenFile(e.Path, how, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(do(f, e.Offset), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// killer stands before a repository: it kills a process that asks for ranges of
// blocks for the n-th time.
type killer struct {
	http.Handler
	n     int32
	asked atomic.Int32
	child atomic.Pointer[os.Process]
}

func (k *killer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, ".blocks") && k.asked.Add(1) >= k.n {
		_ = k.child.Load().Kill()
		<-r.Context().Done()
		return
	}
	k.Handler.ServeHTTP(w, r)
}

// run runs a process that updates, and tells whether it was killed.
func (k *killer) run(t *testing.T, args ...string) (killed bool) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], args...)
	c.Env = append(os.Environ(), asUpdog+"=1")
	k.asked.Store(0)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	k.child.Store(c.Process)
	err := c.Wait()
	if err != nil && c.ProcessState.Exited() {
		t.Fatalf("it failed by itself: %v", err)
	}
	return err != nil
}

// missingBytes is what the host would have to fetch now.
func missingBytes(t *testing.T, args []string) int64 {
	t.Helper()
	got := call(t, time.Now(), append([]string{"explain", "--json"}, args...)...)
	var offer api.UpdateOffer
	if err := json.Unmarshal([]byte(got.Stdout), &offer); err != nil || len(offer.Releases) == 0 || offer.Releases[0].Missing == nil {
		t.Fatalf("%v: %+v", err, got)
	}
	return *offer.Releases[0].Missing
}

// updog that is killed while it fetches what is missing goes on with what it has
// written, each time: nothing but what was under way is fetched again.
func TestKillDuringDelta(t *testing.T) {
	h, root := newDelta(t)
	k := &killer{Handler: h.Repo, n: 16}
	server := httptest.NewServer(k)
	t.Cleanup(server.Close)
	h.Repo.URL = server.URL
	h.Configure("latest")
	args := []string{"update-image", "-n", "--root", string(h.Root), "--disk", h.Disk().Path, "--active", "A"}

	missing := missingBytes(t, args[2:])
	kills := 0
	for k.run(t, args...) {
		if kills++; kills > 20 {
			t.Fatal("it does not come to an end")
		}
		now := missingBytes(t, args[2:])
		if now >= missing {
			t.Errorf("killed %d times: %d bytes are missing, and %d before that", kills, now, missing)
		}
		missing = now
	}
	if kills < 2 {
		t.Errorf("it was killed %d times only", kills)
	}
	withRoot(t, h, slot.B, os.O_RDONLY, func(f *os.File, offset int64) error {
		got := make([]byte, len(root))
		_, err := f.ReadAt(got, offset)
		if !bytes.Equal(got, root) {
			t.Error("the root is not in the spare slot")
		}
		return err
	})
	got := call(t, time.Now(), append([]string{"history", "--json"}, args[2:]...)...)
	var tried []journal.Attempt
	if err := json.Unmarshal([]byte(got.Stdout), &tried); err != nil || len(tried) != kills+1 {
		t.Fatalf("%d attempts, %v", len(tried), err)
	}
	for _, a := range tried[1:] {
		if a.State != api.AttemptInterrupted || a.Step != "write root" {
			t.Errorf("an attempt that was killed is told as %+v", a)
		}
	}
	if last := tried[0]; last.State != api.AttemptPrepared || last.Images[0].Way != api.ByDelta || last.Images[0].NoDelta != "" {
		t.Errorf("the last attempt is %+v", last)
	}
}
