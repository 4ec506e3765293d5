package tharbeupdates

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/update/journal"
	"github.com/hostler-os/hostler/internal/update/manifest"
	"github.com/hostler-os/hostler/internal/update/updatetest"
	"github.com/hostler-os/hostler/internal/updater"
)

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == name {
		cli.Main(Run)
	}
	os.Exit(m.Run())
}

// patience is how long a command may take that should take a moment.
const patience = 30 * time.Second

// size is that of the images in bytes.
const size = 60_000

// host is a host and its state machine.
type host struct {
	*updatetest.Host
	*updater.Updater
	t testing.TB
}

func newHost(t testing.TB) *host {
	root := paths.Root(t.TempDir())
	return &host{
		updatetest.New(t, root, "1.20.0"),
		&updater.Updater{Root: root, Now: time.Now, Log: slog.New(slog.DiscardHandler)},
		t,
	}
}

// streams are for what nobody reads.
var streams = cli.Streams{Out: io.Discard, Err: io.Discard}

// call runs the program and returns its exit code and standard error.
func (h *host) call(args ...string) (int, string) {
	h.t.Helper()
	var out, errs bytes.Buffer
	line := append([]string{name, "--root", string(h.Host.Root), "--log-level", "off"}, args...)
	code := Run(context.Background(), line, cli.Streams{Out: &out, Err: &errs})
	return code, errs.String()
}

// do runs a command that must begin, and waits until it has ended.
func (h *host) do(command string) api.UpdateStatus {
	h.t.Helper()
	if code, errs := h.call(command); code != 0 {
		h.t.Fatalf("%s: exit code %d: %s", command, code, errs)
	}
	return h.ended()
}

// ended waits until no command is under way.
func (h *host) ended() api.UpdateStatus {
	h.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		unlock, err := h.Share()
		if err == nil {
			defer unlock()
			return h.status()
		}
		if !errors.Is(err, updater.ErrLocked) || time.Now().After(deadline) {
			h.t.Fatal(err)
		}
	}
}

func (h *host) status() api.UpdateStatus {
	h.t.Helper()
	v, err := h.View(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	return v.Status
}

// told is a status in short.
func told(s api.UpdateStatus) string {
	text := fmt.Sprintf("%s %v", s.State, s.Available)
	if s.Chosen != nil {
		text += " chosen " + s.Chosen.Version
	}
	if s.Staging != nil {
		text += " staged " + s.Staging.Image.Version
	}
	switch {
	case s.Staging != nil && s.Staging.NextToBoot:
		text += " next"
	case !s.Active.NextToBoot:
		text += " active not next"
	}
	if c := s.Command; c != nil {
		text += fmt.Sprintf(", %s %s %d", c.Type, c.Status, c.ExitStatus)
	}
	return text
}

func (h *host) expect(s api.UpdateStatus, want string) {
	h.t.Helper()
	if got := told(s); got != want {
		h.t.Errorf("got  %s\nwant %s", got, want)
		if s.Command != nil {
			h.t.Log(s.Command.Stderr)
		}
	}
}

func TestAnUpdateAndTheWayBack(t *testing.T) {
	h := newHost(t)
	h.expect(h.do("refresh"), "Idle [], refresh Success 0")
	h.Offer("1.20.0", size)
	h.expect(h.do("refresh"), "Idle [1.20.0], refresh Success 0")
	h.Offer("1.21.0", size)
	h.expect(h.do("refresh"), "Available [1.21.0 1.20.0] chosen 1.21.0, refresh Success 0")

	s := h.do("prepare")
	h.expect(s, "Staged [1.21.0 1.20.0] chosen 1.21.0 staged 1.21.0, prepare Success 0")
	if s.Command.Stderr != "Starting update to 1.21.0\n" {
		t.Errorf("it told %q", s.Command.Stderr)
	}
	h.Check("1.21.0", size)
	h.expect(h.do("refresh"), "Staged [1.21.0 1.20.0] chosen 1.21.0 staged 1.21.0, refresh Success 0")
	h.expect(h.do("prepare"), "Staged [1.21.0 1.20.0] chosen 1.21.0 staged 1.21.0, prepare Success 0")
	h.expect(h.do("activate"), "Ready [1.21.0 1.20.0] chosen 1.21.0 staged 1.21.0 next, activate Success 0")
	h.expect(h.do("refresh"), "Ready [1.21.0 1.20.0] chosen 1.21.0 staged 1.21.0 next, refresh Success 0")
	h.expect(h.do("deactivate"), "Staged [1.21.0 1.20.0] chosen 1.21.0 staged 1.21.0, deactivate Success 0")
	h.expect(h.do("activate"), "Ready [1.21.0 1.20.0] chosen 1.21.0 staged 1.21.0 next, activate Success 0")

	if booted := h.Boot("1.20.0", "1.21.0"); booted != slot.B {
		t.Fatalf("%v booted", booted)
	}
	h.expect(h.status(), "Idle [1.21.0 1.20.0] active not next, activate Success 0") // it is not marked good yet
	h.expect(h.do("refresh"), "Idle [1.21.0 1.20.0] active not next, refresh Success 0")
}

// What survives a reboot is what the disk's flags say, whatever was remembered.
func TestReboots(t *testing.T) {
	h := newHost(t)
	h.Offer("1.21.0", size)
	h.do("refresh")
	h.do("prepare")
	h.Boot("1.20.0", "1.21.0")
	h.expect(h.status(), "Staged [1.21.0] chosen 1.21.0 staged 1.21.0, prepare Success 0")
	h.do("activate")
	h.Boot("1.20.0", "1.21.0") // it does not come up
	h.Boot("1.20.0", "1.21.0") // so the boot loader goes back
	h.expect(h.status(), "Available [1.21.0] chosen 1.21.0, activate Success 0")
	h.settle("1.20.0") // as each boot does
	h.expect(h.status(), "Idle [1.21.0], activate Success 0")
	o, err := h.Overview(t.Context())
	if err != nil || o.FellBack == nil || o.FellBack.Version != "1.21.0" {
		t.Errorf("%v; fell back from %+v", err, o.FellBack)
	}
	if r := o.Offer.Releases[0]; o.Offer.Chosen != nil || r.Chosen || len(r.Reasons) != 1 || r.Reasons[0].Code != string(manifest.FailedBefore) {
		t.Errorf("it is still offered: %+v", r)
	}
	h.expect(h.do("refresh"), "Idle [1.21.0], refresh Success 0") // it is not tried again
	if code, errs := h.call("prepare"); code != updater.ExitState || errs != "Command 'Prepare' not allowed when state is 'Idle'\n" {
		t.Errorf("%d %s", code, errs)
	}
}

// settle finds out how the last attempt ended.
func (h *host) settle(running string) {
	h.t.Helper()
	sets, err := h.Host.Disk().Sets(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	if err := journal.Load(h.Host.Root, h.Log).Settle(h.Now(), running, sets.State); err != nil {
		h.t.Fatal(err)
	}
}

// Flags that somebody else has changed are seen.
func TestFlagsChangedByHand(t *testing.T) {
	h := newHost(t)
	h.Offer("1.21.0", size)
	h.do("refresh")
	h.do("prepare")
	for _, step := range []struct {
		change slot.Change
		want   string
	}{
		{slot.UpgradeToInactive, "Ready [1.21.0] chosen 1.21.0 staged 1.21.0 next, prepare Success 0"},
		{slot.CancelUpgrade, "Staged [1.21.0] chosen 1.21.0 staged 1.21.0, prepare Success 0"},
		{slot.ClearInactive, "Available [1.21.0] chosen 1.21.0, prepare Success 0"},
	} {
		if _, err := h.Host.Disk().Change(t.Context(), step.change); err != nil {
			t.Fatal(err)
		}
		h.expect(h.status(), step.want)
		if got, want := h.overview().Attempt != nil, strings.Contains(step.want, "staged"); got != want {
			t.Errorf("%s, and an attempt is told: %v", step.want, got)
		}
	}
}

func TestPrepareInstallsWhatWasChosen(t *testing.T) {
	h := newHost(t)
	h.Offer("1.21.0", size)
	h.do("refresh")
	h.Offer("1.22.0", size) // since then
	h.expect(h.do("prepare"), "Staged [1.21.0] chosen 1.21.0 staged 1.21.0, prepare Success 0")
	h.Check("1.21.0", size)
	h.expect(h.do("refresh"), "Staged [1.22.0 1.21.0] chosen 1.22.0 staged 1.21.0, refresh Success 0")
	h.expect(h.do("prepare"), "Staged [1.22.0 1.21.0] chosen 1.22.0 staged 1.22.0, prepare Success 0")
	h.Check("1.22.0", size)
}

// A release that is withdrawn after it was chosen is not installed.
func TestPrepareOfWhatIsNoLongerOffered(t *testing.T) {
	h := newHost(t)
	h.Offer("1.21.0", size)
	h.do("refresh")
	h.Manifest.Updates[0].MaxVersion, _ = manifest.ParseVersion("0.21.0")
	h.Publish()
	s := h.do("prepare")
	h.expect(s, "Available [1.21.0] chosen 1.21.0, prepare Failed 1")
	want := "1.21.0, which was chosen, is no longer offered: it is above 0.21.0, the newest version that its publisher allows; look for updates again\n"
	if s.Command.Stderr != want {
		t.Errorf("got  %s\nwant %s", s.Command.Stderr, want)
	}
}

func TestRefusals(t *testing.T) {
	h := newHost(t)
	refuse := func(state api.UpdateState, commands ...string) {
		t.Helper()
		for _, command := range commands {
			code, errs := h.call(command)
			want := fmt.Sprintf("Command '%s%s' not allowed when state is '%s'\n", strings.ToUpper(command[:1]), command[1:], state)
			if code != updater.ExitState || errs != want {
				t.Errorf("%s: exit code %d, %q, want %q", command, code, errs, want)
			}
		}
	}
	refuse("Idle", "prepare", "activate", "deactivate")
	h.expect(h.status(), "Idle []") // the first use makes a status
	h.Offer("1.21.0", size)
	h.do("refresh")
	refuse("Available", "activate", "deactivate")
	h.do("prepare")
	refuse("Staged", "deactivate")
	h.do("activate")
	refuse("Ready", "prepare", "activate")

	lock, err := h.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	code, errs := h.call("refresh")
	if want := "Unable to obtain lock on lockfile '" + h.Host.Root.UpdaterLock() + "': "; code != updater.ExitLocked || !strings.HasPrefix(errs, want) {
		t.Errorf("exit code %d, %q, want %q", code, errs, want)
	}
}

func TestFailedRefresh(t *testing.T) {
	h := newHost(t)
	h.Offer("1.21.0", size)
	h.do("refresh")
	h.Repo.Put("metadata/timestamp.json", nil)
	s := h.do("refresh")
	h.expect(s, "Idle [1.21.0] chosen 1.21.0, refresh Failed 1")
	if !strings.HasPrefix(s.Command.Stderr, "Metadata error: ") || !strings.HasSuffix(s.Command.Stderr, "\n") {
		t.Errorf("it told %q", s.Command.Stderr)
	}
	h.Repo.Republish("timestamp")
	h.do("refresh")
	h.do("prepare")
	h.Repo.Put("metadata/timestamp.json", nil)
	h.expect(h.do("refresh"), "Staged [1.21.0] chosen 1.21.0 staged 1.21.0, refresh Failed 1")
	h.expect(h.do("activate"), "Ready [1.21.0] chosen 1.21.0 staged 1.21.0 next, activate Success 0") // without the repository
}

func TestVersionLock(t *testing.T) {
	h := newHost(t)
	h.Offer("1.19.0", size)
	h.Offer("1.20.0", size)
	h.Offer("1.21.0", size)
	for lock, want := range map[string]string{
		"latest":  "Available [1.21.0 1.20.0 1.19.0] chosen 1.21.0, refresh Success 0",
		"v1.19.0": "Available [1.21.0 1.20.0 1.19.0] chosen 1.19.0, refresh Success 0",
		"1.20.0":  "Idle [1.21.0 1.20.0 1.19.0], refresh Success 0",
		"1.23.0":  "Idle [1.21.0 1.20.0 1.19.0], refresh Success 0",
	} {
		h.Configure(lock)
		h.expect(h.do("refresh"), want)
	}
	if err := os.WriteFile(h.Host.Root.UpdaterConfig(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(h.Host.Root.Updog())
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(h.Host.Root.Updog())
	if s := h.do("refresh"); !strings.Contains(s.Command.Stderr, "\nhint: it is rendered from settings: apiclient set updates.") {
		t.Errorf("without a configuration: %q", s.Command.Stderr)
	}
	if err := os.WriteFile(h.Host.Root.Updog(), config, 0o600); err != nil {
		t.Fatal(err)
	}
	if s := h.do("refresh"); s.Command.Stderr != "Failed to get required setting 'version-lock'\n" {
		t.Errorf("without a lock: %q", s.Command.Stderr)
	}
}

// The file that the reference's programs read is the same as what the API tells.
func TestStatusFile(t *testing.T) {
	h := newHost(t)
	h.Offer("1.21.0", size)
	h.do("refresh")
	s := h.do("prepare")
	text, err := os.ReadFile(h.Host.Root.UpdateStatus())
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("ARCH", h.Arch, "TIME", s.Command.Timestamp).Replace(`{
  "update_state": "Staged",
  "available_updates": [
    "1.21.0"
  ],
  "chosen_update": {
    "arch": "ARCH",
    "version": "1.21.0",
    "variant": "metal-dev"
  },
  "active_partition": {
    "image": {
      "arch": "ARCH",
      "version": "1.20.0",
      "variant": "metal-dev"
    },
    "next_to_boot": true
  },
  "staging_partition": {
    "image": {
      "arch": "ARCH",
      "version": "1.21.0",
      "variant": "metal-dev"
    },
    "next_to_boot": false
  },
  "most_recent_command": {
    "cmd_type": "prepare",
    "cmd_status": "Success",
    "timestamp": "TIME",
    "exit_status": 0,
    "stderr": "Starting update to 1.21.0\n"
  }
}
`)
	if diff := cmp.Diff(string(text), want); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
	again, err := json.MarshalIndent(s, "", "  ")
	if err != nil || string(again)+"\n" != want {
		t.Errorf("%v, the API tells %s", err, again)
	}
}

// A host without slots can look for updates, and learns why it cannot have them.
func TestWithoutADisk(t *testing.T) {
	h := newHost(t)
	h.Offer("1.21.0", size)
	if err := os.Remove(h.Host.Root.Disk()); err != nil {
		t.Fatal(err)
	}
	h.expect(h.do("refresh"), "Available [1.21.0] chosen 1.21.0, refresh Success 0")
	s := h.do("prepare")
	h.expect(s, "Available [1.21.0] chosen 1.21.0, prepare Failed 1")
	if !strings.Contains(s.Command.Stderr, slot.ErrNoDisk.Error()) {
		t.Errorf("it told %q", s.Command.Stderr)
	}
}
