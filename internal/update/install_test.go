package update

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/tufrepo/tufrepotest"
	"github.com/hostler-os/hostler/internal/update/image"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

func TestInstallActivateAndGoBack(t *testing.T) {
	w, now := newWorld(t), time.Now()
	if err := w.install(nil); err != nil {
		t.Fatal(err)
	}
	w.check()
	expect := func(words string, state api.AttemptState, next slot.Name) {
		t.Helper()
		if got, _ := w.sets().Next(); w.words() != words || got != next || w.journal().Last().State != state {
			t.Errorf("flags %s, next %s, journal %+v; want %s, %s, %s", w.words(), got, w.journal().Last(), words, next, state)
		}
	}
	step := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	expect("1/0/true 0/1/false ", api.AttemptPrepared, slot.A)
	step(Activate(t.Context(), w.disk(), w.journal(), &settings{}, now, nil))
	expect("1/0/true 2/1/false ", api.AttemptActivated, slot.B)
	step(Deactivate(t.Context(), w.disk(), w.journal(), now))
	expect("2/0/true 0/1/false ", api.AttemptPrepared, slot.A)
	step(Activate(t.Context(), w.disk(), w.journal(), &settings{}, now, nil))
	if err := Activate(t.Context(), w.disk(), w.journal(), &settings{}, now, nil); err == nil || !strings.Contains(err.Error(), "Could not mark inactive partition for boot: ") {
		t.Errorf("activated twice: %v", err)
	}
	w.boot()
	step(w.journal().Settle(now, "1.1.0", w.sets().State))
	expect("1/0/true 2/0/false ", api.AttemptActivated, slot.A) // not marked good: the next boot would go back
	if err := w.install(nil); err == nil {
		t.Error("an update was written while the running slot is not marked good")
	}
	for _, dir := range []string{w.host.Root.Migrations(), w.host.Root.CachedMetadata()} {
		if files, err := os.ReadDir(dir); err != nil || len(files) < 2 {
			t.Errorf("%s holds %v, %v", dir, files, err)
		}
	}
}

// crash stands for kill -9: nothing after it runs but what the kernel does.
type crash struct{}

func TestCrashAtEveryStep(t *testing.T) {
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			w := newWorld(t)
			for round := range 2 {
				func() {
					defer func() {
						if recover() != (crash{}) {
							t.Errorf("round %d: it did not come to this step", round)
						}
					}()
					err := w.install(func(step string) error {
						if step == s.name {
							panic(crash{})
						}
						return nil
					})
					t.Errorf("no crash: %v", err)
				}()
				if next, ok := w.sets().Next(); !ok || next != slot.A {
					t.Fatalf("next boots %v, %v: %s", next, ok, w.words())
				}
				if err := Activate(t.Context(), w.disk(), w.journal(), &settings{}, time.Now(), nil); err == nil {
					t.Fatal("a slot that is half written can be activated")
				}
			}
			if err := w.install(nil); err != nil {
				t.Fatal(err)
			}
			w.check()
			var states []api.AttemptState
			for _, a := range w.journal().Attempts {
				states = append(states, a.State)
			}
			if diff := cmp.Diff(states, []api.AttemptState{api.AttemptInterrupted, api.AttemptInterrupted, api.AttemptPrepared}); diff != "" {
				t.Errorf("-got +want:\n%s", diff)
			}
		})
	}
}

// What the world sends wrong is found, told, and never boots.
func TestHostileTargets(t *testing.T) {
	name := func(data []byte, target string) string { return tufrepotest.TargetFile(target, data) }
	tests := []struct {
		what  string
		spoil func(*world)
		want  error
		step  string
	}{
		{"a bit of the root image", func(w *world) {
			data := packed(w.t, w.images["root"])
			bad := bytes.Clone(data)
			bad[len(bad)/2] ^= 1
			w.repo.Put(name(data, "root.lz4"), bad)
		}, nil, "write root"},
		{"the checksum at the end of the boot image", func(w *world) {
			data := packed(w.t, w.images["boot"])
			bad := bytes.Clone(data)
			bad[len(bad)-1] ^= 1
			w.repo.Put(name(data, "boot.lz4"), bad)
		}, nil, "write boot"},
		{"cut off", func(w *world) {
			data := packed(w.t, w.images["hash"])
			w.repo.Put(name(data, "hash.lz4"), data[:len(data)-1])
		}, nil, "write hash"},
		{"longer", func(w *world) {
			data := packed(w.t, w.images["root"])
			w.repo.Put(name(data, "root.lz4"), append(bytes.Clone(data), 0))
		}, tufrepo.ErrLength, "write root"},
		{"swapped", func(w *world) {
			w.repo.Put(name(packed(w.t, w.images["root"]), "root.lz4"), packed(w.t, w.images["boot"]))
		}, nil, "write root"},
		{"gone", func(w *world) {
			w.repo.Put(name(packed(w.t, w.images["root"]), "root.lz4"), nil)
		}, tufrepo.ErrNotFound, "write root"},
		{"a bomb", func(w *world) {
			w.repo.AddTarget("targets", "hash.lz4", packed(w.t, make([]byte, 64<<20)))
			w.repo.Publish("targets", "snapshot", "timestamp")
		}, image.ErrTooLarge, "write hash"},
		{"larger than the partition", func(w *world) {
			w.repo.AddTarget("targets", "hash.lz4", make([]byte, 20<<20))
			w.repo.Publish("targets", "snapshot", "timestamp")
		}, nil, "check"},
		{"a migration that is no longer there", func(w *world) {
			w.repo.Put(name(packed(w.t, []byte("a migration")), "migrate_v1.1.0_x.lz4"), nil)
		}, tufrepo.ErrNotFound, "fetch migrations"},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			w := newWorld(t)
			test.spoil(w)
			err := w.install(nil)
			if err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			last := w.journal().Last()
			if last.State != api.AttemptFailed || last.Step != test.step || last.Error == "" {
				t.Errorf("the journal says %+v", last)
			}
			if next, ok := w.sets().Next(); !ok || next != slot.A {
				t.Errorf("next boots %v, %v: %s", next, ok, w.words())
			}
			if err := Activate(t.Context(), w.disk(), w.journal(), &settings{}, time.Now(), nil); err == nil {
				t.Error("it can be activated")
			}
		})
	}
}

// A release that did not boot here is not tried again, unless its images change.
func TestBootThatFails(t *testing.T) {
	w, now := newWorld(t), time.Now()
	if err := w.install(nil); err != nil {
		t.Fatal(err)
	}
	if err := Activate(t.Context(), w.disk(), w.journal(), &settings{}, now, nil); err != nil {
		t.Fatal(err)
	}
	w.boot() // into B, which is not well
	if err := w.journal().NoteHealth(now, "1.1.0", "units: a.service", w.sets().State); err != nil {
		t.Fatal(err)
	}
	if err := w.install(nil); !errors.Is(err, ErrNotGood) {
		t.Errorf("updated from a slot that is not good: %v", err)
	}
	w.boot() // so the boot loader goes back
	if w.active != slot.A {
		t.Fatalf("it runs from %s: %s", w.active, w.words())
	}
	j := w.journal()
	if err := j.Settle(now, "1.0.0", w.sets().State); err != nil || len(j.Attempts) != 2 {
		t.Fatalf("%v, %+v", err, j.Attempts)
	}
	if first := j.Attempts[0]; first.State != api.AttemptBootFailed || first.Step != "boot" || first.Error != "units: a.service" {
		t.Errorf("the journal says %+v", first)
	}
	if a := j.FellBack("1.0.0"); a == nil || j.FellBack("1.1.0") != nil || a.ID != 1 {
		t.Errorf("%+v fell back", a)
	}
	chosen := func() bool {
		c, err := Open(t.Context(), w.host)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := c.Digest(t.Context(), c.Manifest.Updates[0])
		if err != nil {
			t.Fatal(err)
		}
		how := w.journal().Failed("1.1.0", "v", digest)
		return how == ""
	}
	if chosen() {
		t.Error("it would be tried again")
	}
	w.images["root"] = noise(77, 500_000)
	w.repo.AddTarget("targets", "root.lz4", packed(t, w.images["root"]))
	w.repo.Publish("targets", "snapshot", "timestamp")
	if !chosen() {
		t.Error("mended, it would not be tried again")
	}
	if err := w.install(nil); err != nil {
		t.Error(err)
	}
	if a := w.journal().FellBack("1.0.0"); a != nil {
		t.Errorf("after another attempt, %+v fell back", a)
	}
	w.check()
}

// An image that calls itself by its predecessor's name stays an update however
// often it is installed. A host that updates by itself must not go on for ever.
func TestReleaseWithAWrongName(t *testing.T) {
	w := newWorld(t)
	if err := w.install(nil); err != nil {
		t.Fatal(err)
	}
	if err := Activate(t.Context(), w.disk(), w.journal(), &settings{}, time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	w.boot()
	if _, err := w.disk().Change(t.Context(), slot.MarkSuccessfulBoot); err != nil {
		t.Fatal(err)
	}
	j := w.journal()
	if err := j.Settle(time.Now(), "1.0.0", w.sets().State); err != nil {
		t.Fatal(err)
	}
	c, err := Open(t.Context(), w.host)
	if err != nil {
		t.Fatal(err)
	}
	choice, err := c.Choose(Wish{Failed: c.FailedBefore(t.Context(), j)})
	if err != nil {
		t.Fatal(err)
	}
	want := "it failed on this host: what booted from slot B calls itself 1.0.0, as was seen on "
	if reasons := choice.Verdicts[0].Reasons; len(reasons) != 1 || !strings.HasPrefix(reasons[0].Text, want) {
		t.Errorf("got %+v, want %s", reasons, want)
	}
}

// Who takes an update back while it is on trial must not be left with a host of
// which nothing boots.
func TestDeactivateOnTrial(t *testing.T) {
	w, now := newWorld(t), time.Now()
	if err := w.install(nil); err != nil {
		t.Fatal(err)
	}
	if err := Activate(t.Context(), w.disk(), w.journal(), &settings{}, now, nil); err != nil {
		t.Fatal(err)
	}
	w.boot() // into B, which has no tries left
	if err := Deactivate(t.Context(), w.disk(), w.journal(), now); !errors.Is(err, ErrNotGood) {
		t.Errorf("got %v", err)
	}
	if next, ok := w.sets().Next(); !ok || next != slot.A {
		t.Errorf("next boots %v, %v: %s", next, ok, w.words())
	}
}

func TestJournalThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	if err := w.install(nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.host.Root.Attempts(), []byte(`{"attempts": [{"id": 1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.install(nil); err != nil {
		t.Error(err)
	}
	if n := len(w.journal().Attempts); n != 1 {
		t.Errorf("%d attempts", n)
	}
}

func TestFreeSpaceOfWhatIsNotThereYet(t *testing.T) {
	if free, err := freeSpace(t.TempDir() + "/a/b"); err != nil || free <= 0 {
		t.Errorf("%d, %v", free, err)
	}
	if _, err := freeSpace("/dev/null/x"); errors.Is(err, fs.ErrNotExist) || err == nil {
		t.Errorf("got %v", err)
	}
}

// What is asked for tells the publisher's statistics what is going on.
func TestQuery(t *testing.T) {
	q := newQuery(Host{Config: Config{Seed: 5}})
	q.set("target", "1.1.0")
	if got, want := q.values().Encode(), "seed=5&target=1.1.0&version="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A release in one file is enough, on a host that no network reaches; blocks are not in it.
func TestInstallFromABundle(t *testing.T) {
	w := indexed(t)
	c, err := Open(t.Context(), w.host)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "release.bundle")
	var b bytes.Buffer
	if err := c.repo.WriteBundle(t.Context(), &b, manifest.Name, "root.lz4", "boot.lz4", "hash.lz4", "migrate_v1.1.0_x.lz4"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	w.host.Config.MetadataBaseURL, w.host.Config.TargetsBaseURL = "file://"+path, "file://"+path
	if err := w.install(nil); err != nil {
		t.Fatal(err)
	}
	w.check()
	for _, i := range w.journal().Last().Images {
		if i.Way == api.ByDelta || !strings.Contains(i.NoDelta, "not found in the bundle") {
			t.Errorf("%+v", i)
		}
	}
}
