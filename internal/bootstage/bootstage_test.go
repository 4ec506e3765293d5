package bootstage

import (
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/slot"
)

func TestParameters(t *testing.T) {
	p := parseParameters("console=ttyS0 x=\"a b\"  hostler.slot=A\thostler.slot=B quiet\n")
	want := parameters{"console=ttyS0", `x="a b"`, "hostler.slot=A", "hostler.slot=B", "quiet"}
	if diff := cmp.Diff(p, want); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
	if p.get(slotName) != "B" || p.get("x") != "a b" || p.get("quiet") != "" || p.get("y") != "" {
		t.Error("wrong values")
	}
}

func TestHash(t *testing.T) {
	sum := strings.Repeat("0a", 32)
	if hash, err := parseParameters("hostler.roothash=" + sum).hash(); err != nil || len(hash) != 32 {
		t.Errorf("%x, %v", hash, err)
	}
	for _, text := range []string{"", "hostler.roothash=", "hostler.roothash=0a", "hostler.roothash=" + sum + "0"} {
		if hash, err := parseParameters(text).hash(); err == nil {
			t.Errorf("%q: took %x", text, hash)
		}
	}
}

// A kernel is started anew only where that changes something.
func TestCovers(t *testing.T) {
	running := parseParameters("console=ttyS0 panic=10 quiet")
	for text, want := range map[string]bool{
		"panic=10 hostler.roothash=ab": true, "": true, "panic=10 quiet console=ttyS0": true, "panic=20": false, "panic=10 debug": false,
	} {
		if got := running.covers(parseParameters(text)); got != want {
			t.Errorf("%q: %t, want %t", text, got, want)
		}
	}
}

func flags(t *testing.T, d *slot.Disk) string {
	t.Helper()
	sets, err := d.Sets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, w := range sets.State.Sets {
		text.WriteString(string([]byte{byte('0' + w.Priority()), '/', byte('0' + w.Tries()), ' '}))
	}
	return text.String()
}

// A slot that fails is passed over within the same boot; its try is gone.
func TestChoose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk")
	if err := slot.CreateImage(path, slot.MinSize, 512); err != nil {
		t.Fatal(err)
	}
	d, err := findDisk(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []slot.Change{slot.MarkInactiveValid, slot.UpgradeToInactive} {
		if _, err := d.Change(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	failed := map[slot.Name]bool{}
	for _, want := range []struct {
		chosen slot.Name
		flags  string
	}{{slot.B, "1/0 2/0 "}, {slot.A, "1/0 2/0 "}} {
		got, err := choose(t.Context(), d, failed)
		if err != nil || got != want.chosen || flags(t, d) != want.flags {
			t.Errorf("got %v, %v, %s; want %v, %s", got, err, flags(t, d), want.chosen, want.flags)
		}
		failed[got] = true
	}
	if _, err := choose(t.Context(), d, failed); !errors.Is(err, errNothing) {
		t.Errorf("with both failed: %v", err)
	}
}

// A disk that cannot be written boots what it booted well, also if its table is
// damaged; but no slot of which a try cannot be taken.
func TestChooseWithoutWriting(t *testing.T) {
	b, console := bootOf(t, torn(t))
	d := b.disk
	var got slot.Name
	var err error
	withoutWriting(t, func() {
		b.mend(t.Context())
		got, err = choose(t.Context(), d, nil)
	})
	if err != nil || got != slot.A || !strings.Contains(console.String(), "write primary header") {
		t.Errorf("got %v, %v; the console shows %q", got, err, console.String())
	}
	for _, change := range []slot.Change{slot.MarkInactiveValid, slot.UpgradeToInactive} {
		if _, err := d.Change(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	withoutWriting(t, func() { got, err = choose(t.Context(), d, nil) })
	if err == nil {
		t.Errorf("%v boots without a try taken off it", got)
	}
}

// A damaged table is repaired before a slot is chosen.
func TestMend(t *testing.T) {
	path := torn(t)
	b, console := bootOf(t, path)
	for range 2 {
		b.mend(t.Context())
	}
	if want := "bootstage: a damaged copy of the partition table of " + path + " is repaired\n"; console.String() != want {
		t.Errorf("the console shows %q, want %q", console.String(), want)
	}
}

// torn is a disk whose table's primary copy is damaged.
func torn(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "disk")
	if err := slot.CreateImage(path, slot.MinSize, 512); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte("torn"), 512)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// bootOf is a boot from a disk, and its console.
func bootOf(t *testing.T, path string) (*boot, *strings.Builder) {
	t.Helper()
	d, err := findDisk(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	console := &strings.Builder{}
	return &boot{out: console, disk: d}, console
}

// withoutWriting acts while files take no byte.
func withoutWriting(t *testing.T, act func()) {
	t.Helper()
	signal.Ignore(unix.SIGXFSZ)
	defer signal.Reset(unix.SIGXFSZ)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	none := limit
	none.Cur = 0
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &none); err != nil {
		t.Fatal(err)
	}
	act()
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
}

// Whoever runs it on a host by mistake is told what it is.
func TestNotTheFirstProcess(t *testing.T) {
	var out, errs strings.Builder
	code := Run(t.Context(), []string{"bootstage"}, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
	if code != cli.ExitFailed || !strings.Contains(errs.String(), "RAM disk") {
		t.Errorf("%d, %s", code, errs.String())
	}
}

func FuzzParameters(f *testing.F) {
	f.Add("a=\"b c\" d")
	f.Fuzz(func(t *testing.T, text string) {
		p := parseParameters(text)
		if again := parseParameters(p.String()); !cmp.Equal(p, again) {
			t.Errorf("%q became %q", p, again)
		}
	})
}
