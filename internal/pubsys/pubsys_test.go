package pubsys

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clitest"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/updog"
)

// clock is what the program under test takes for the time: that of the variable
// NOW, if a script sets it.
func clock() time.Time {
	if at, err := time.Parse(time.RFC3339, os.Getenv("NOW")); err == nil {
		return at
	}
	return time.Now()
}

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"pubsys": func() {
			cli.Main(func(ctx context.Context, args []string, s cli.Streams) int {
				return run(ctx, args, s, clock, durable.OS{})
			})
		},
		"updog": func() { cli.Main(updog.Run) },
	})
}

func TestScripts(t *testing.T) {
	clitest.RunScripts(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"disk": makeDisk, "noise": makeNoise, "slotcmp": compareSlot, "zstd": packZstd,
		},
	})
}

// makeDisk is "disk FILE": a disk image with two slots.
func makeDisk(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(slot.CreateImage(ts.MkAbs(args[0]), slot.MinSize, 512))
}

// makeNoise is "noise FILE BYTES SEED": a file that cannot be packed, the same each time.
func makeNoise(ts *testscript.TestScript, _ bool, args []string) {
	size, err := strconv.Atoi(args[1])
	ts.Check(err)
	seed, err := strconv.Atoi(args[2])
	ts.Check(err)
	ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(args[0])), 0o755))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), noise(uint64(seed), size), 0o644))
}

func noise(seed uint64, size int) []byte {
	data, state := make([]byte, size), seed*2862933555777941757+3037000493
	for i := range data {
		state = state*6364136223846793005 + 1442695040888963407
		data[i] = byte(state >> 56)
	}
	return data
}

// packZstd is "zstd FROM TO".
func packZstd(ts *testscript.TestScript, _ bool, args []string) {
	data, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	z, err := zstd.NewWriter(nil)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), z.EncodeAll(data, nil), 0o644))
}

// compareSlot is "slotcmp DISK SLOT KIND FILE": a partition begins with the file.
func compareSlot(ts *testscript.TestScript, neg bool, args []string) {
	d, err := slot.At(ts.MkAbs(args[0]), slot.A)
	ts.Check(err)
	sets, err := d.Sets(context.Background())
	ts.Check(err)
	which := map[string]slot.Name{"A": slot.A, "B": slot.B}[args[1]]
	kind := map[string]slot.Kind{"root": slot.RootPartition, "boot": slot.BootPartition, "hash": slot.HashPartition}[args[2]]
	place := sets.Extents[which][kind]
	want, err := os.ReadFile(ts.MkAbs(args[3]))
	ts.Check(err)
	f, err := os.Open(place.Path)
	ts.Check(err)
	defer f.Close()
	got := make([]byte, len(want))
	_, err = f.ReadAt(got, place.Offset)
	ts.Check(err)
	if bytes.Equal(got, want) == neg {
		ts.Fatalf("the %s partition of slot %s: the same as %s: %v", args[2], args[1], args[3], !neg)
	}
}
