//go:build integration

package disk

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/gpt"
	"github.com/hostler-os/hostler/internal/signpost"
	"github.com/hostler-os/hostler/internal/slot"
)

func newImage(t *testing.T) string {
	t.Helper()
	path := newFile(t, "os.img", 0)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := slot.CreateImage(path, 1<<30, 512); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestToolsReadWhatWeWrite(t *testing.T) {
	image := newImage(t)
	judge(t, image)
	update(t, image, func(t *gpt.Table) {
		t.Partition(1).Name = "grün 🌲"
		t.Partition(3).Attributes |= 1<<63 | 1<<2
		t.Partition(12).Last -= 2048
		t.Partitions = t.Partitions[:12]
	})
	judge(t, image)
	if diff := cmp.Diff(dump(t, image), read(t, image).Partitions); diff != "" {
		t.Error(diff)
	}
}

func TestWeReadWhatToolsWrite(t *testing.T) {
	image := newImage(t)
	run(t, "", "sgdisk", "--change-name=3:other", "--attributes=3:set:61", "--delete=13", "--new=40:0:+100K", "--partition-guid=40:R", image)
	if diff := cmp.Diff(read(t, image).Partitions, dump(t, image)); diff != "" {
		t.Error(diff)
	}
	run(t, "", "sfdisk", "--part-attrs", image, "8", "GUID:48,49,52")
	if got := slot.Word(read(t, image).Partition(8).Attributes); got.Priority() != 3 || got.Tries() != 1 {
		t.Errorf("flags %#x", uint64(got))
	}
}

// Whatever a copy has lost, we mend it to what the tools call sound.
func TestRepair(t *testing.T) {
	image := newImage(t)
	want := read(t, image).Partitions
	const size = 1 << 30
	for _, damage := range []struct{ offset, length int64 }{
		{512, 512}, {512 + 16, 1}, {1024, 16384}, {1024 + 130, 4}, {size - 512, 512}, {size - 512 + 90, 2}, {size - 33*512, 128}, {512, 33 * 512},
	} {
		t.Run(fmt.Sprint(damage), func(t *testing.T) {
			tear(t, image, damage.offset, damage.length)
			signpostOn(t, image, "A", []string{"rewrite-table"})
			judge(t, image)
			if diff := cmp.Diff(dump(t, image), want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// signpostOn runs signpost on a disk and returns its exit code, standard
// output, and the first line of standard error.
func signpostOn(t *testing.T, disk, active string, args []string) (exit int, stdout, stderr string) {
	t.Helper()
	var out, errOut strings.Builder
	command := append([]string{"signpost", "--disk", disk, "--active", active}, args...)
	exit = signpost.Run(t.Context(), command, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errOut})
	stderr, _, _ = strings.Cut(errOut.String(), "\n")
	return exit, out.String(), stderr
}

type words struct{ A, B, Private string }

func (w words) attributes(t *testing.T) map[int]uint64 {
	t.Helper()
	parsed := map[int]uint64{}
	for number, text := range map[int]string{2: w.A, 5: w.B, 8: w.Private} {
		word, err := strconv.ParseUint(text, 0, 64)
		if err != nil {
			t.Fatal(err)
		}
		parsed[number] = word
	}
	return parsed
}

// The recorded runs once more, on disks that sfdisk makes, reads and verifies;
// what is printed is compared in package signpost.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("../../internal/signpost/testdata/signpost.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Active   string
		Before   words
		Args     []string
		Exit     int
		After    words
		VerifyOK bool `json:"verify_ok"`
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	for i, v := range vectors {
		image := newFile(t, "osdisk", 2<<20)
		run(t, script(v.Before.attributes(t)), "sfdisk", "--quiet", image)
		if exit, _, _ := signpostOn(t, image, v.Active, v.Args); exit != v.Exit {
			t.Errorf("vector %d: %v exits %d, want %d", i, v.Args, exit, v.Exit)
		}
		if !v.VerifyOK {
			t.Fatalf("vector %d: what is to be expected of an unsound table?", i)
		}
		judge(t, image)
		got := map[int]uint64{}
		for _, p := range dump(t, image) {
			if _, ok := v.After.attributes(t)[p.Number]; ok {
				got[p.Number] = p.Attributes
			}
		}
		if diff := cmp.Diff(got, v.After.attributes(t)); diff != "" {
			t.Errorf("vector %d: %v\n%s", i, v.Args, diff)
		}
	}
	t.Logf("%d vectors agree", len(vectors))
}

// script is sfdisk's description of the recorded disk.
func script(attributes map[int]uint64) string {
	kinds := []slot.Kind{
		slot.BIOSPartition, slot.BootPartition, slot.RootPartition, slot.HashPartition,
		slot.BootPartition, slot.RootPartition, slot.HashPartition, slot.PrivatePartition,
	}
	var text strings.Builder
	text.WriteString("label: gpt\n")
	for i, kind := range kinds {
		text.WriteString(fmt.Sprintf("size=64K, type=%s, attrs=\"%s\"\n", kind.Type(), formatAttributes(attributes[i+1])))
	}
	return text.String()
}
