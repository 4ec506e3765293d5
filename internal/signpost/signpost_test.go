package signpost_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clitest"
	"github.com/hostler-os/hostler/internal/gpt"
	"github.com/hostler-os/hostler/internal/signpost"
	"github.com/hostler-os/hostler/internal/slot"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"signpost": func() { cli.Main(signpost.Run) },
		"mkdisk": func() {
			if err := slot.CreateImage(os.Args[1], slot.MinSize, 512); err != nil {
				panic(err)
			}
		},
	})
}

func TestScripts(t *testing.T) {
	clitest.RunScripts(t, testscript.Params{Dir: "testdata/scripts", Cmds: map[string]func(*testscript.TestScript, bool, []string){"zero": zero}})
}

// zero FILE OFFSET LENGTH overwrites a part of a file; a negative offset counts from the end.
func zero(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_RDWR, 0)
	ts.Check(err)
	defer f.Close()
	offset, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	length, err := strconv.Atoi(args[2])
	ts.Check(err)
	info, err := f.Stat()
	ts.Check(err)
	if offset < 0 {
		offset += info.Size()
	}
	_, err = f.WriteAt(make([]byte, length), offset)
	ts.Check(err)
}

// word is an attribute word, written in hexadecimal.
type word uint64

func (w *word) UnmarshalJSON(text []byte) error {
	n, err := strconv.ParseUint(strings.Trim(string(text), `"`), 0, 64)
	*w = word(n)
	return err
}

type words struct{ A, B, Private word }

// vector is a recorded run of the reference's signpost.
type vector struct {
	Active      string   `json:"active"`
	Before      words    `json:"before"`
	Args        []string `json:"args"`
	Exit        int      `json:"exit"`
	Stdout      string   `json:"stdout"`
	StderrFirst string   `json:"stderr_first"`
	After       words    `json:"after"`
	VerifyOK    bool     `json:"verify_ok"`
}

// excused are the vectors that differ on purpose, by the names that
// docs/compatibility.md gives the differences.
var excused = map[string]func(*vector){
	// The reference says that a set of priority 0 boots next if it has booted well; GRUB never takes it.
	"next-needs-priority": func(v *vector) {
		for name, w := range map[string]word{"A": v.Before.A, "B": v.Before.B} {
			if w>>48&15 == 0 {
				v.Stdout = strings.Replace(v.Stdout, "Next:    Set "+name, "Next:    None", 1)
			}
		}
	},
}

func TestVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/signpost.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	differ := map[string]int{}
	for i, v := range vectors {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			for name, excuse := range excused {
				before := v.Stdout
				if excuse(&v); v.Stdout != before {
					differ[name]++
				}
			}
			v.check(t)
		})
	}
	t.Logf("%d vectors agree, of which differ on purpose: %v", len(vectors), differ)
	if len(vectors) != 133 {
		t.Errorf("%d vectors", len(vectors))
	}
}

func (v vector) check(t *testing.T) {
	image := filepath.Join(t.TempDir(), "osdisk")
	makeDisk(t, image, v.Before)
	args := append([]string{"signpost", "--disk", image, "--active", v.Active}, v.Args...)
	var out, errOut strings.Builder
	exit := signpost.Run(t.Context(), args, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errOut})
	got := vector{Exit: exit, Stdout: replace(out.String(), image), StderrFirst: replace(firstLine(errOut.String()), image)}
	got.After, got.VerifyOK = readDisk(t, image)
	want := vector{Exit: v.Exit, Stdout: v.Stdout, StderrFirst: v.StderrFirst, After: v.After, VerifyOK: v.VerifyOK}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("%v\n%s", v.Args, diff)
	}
}

func replace(text, image string) string { return strings.ReplaceAll(text, image, "/dev/osdisk") }

func firstLine(text string) string {
	first, _, _ := strings.Cut(text, "\n")
	return first
}

var kinds = []slot.Kind{
	slot.BIOSPartition, slot.BootPartition, slot.RootPartition, slot.HashPartition,
	slot.BootPartition, slot.RootPartition, slot.HashPartition, slot.PrivatePartition,
}

// makeDisk makes an image with the partitions of the disk that was recorded.
func makeDisk(t *testing.T, path string, w words) {
	t.Helper()
	const size = 1 << 20
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	table, err := gpt.New(gpt.Geometry{Size: size, SectorSize: 512}, gpt.NewGUID())
	if err != nil {
		t.Fatal(err)
	}
	for i, kind := range kinds {
		at := table.FirstUsable + 8*uint64(i)
		table.Partitions = append(table.Partitions, gpt.Partition{Number: i + 1, Type: kind.Type(), ID: gpt.NewGUID(), First: at, Last: at + 7})
	}
	table.Partition(2).Attributes = uint64(w.A)
	table.Partition(5).Attributes = uint64(w.B)
	table.Partition(8).Attributes = uint64(w.Private)
	if err := gpt.Format(f, table); err != nil {
		t.Fatal(err)
	}
}

// readDisk reads the words, and tells whether both copies of the table count.
func readDisk(t *testing.T, path string) (words, bool) {
	t.Helper()
	disk, err := gpt.Open(path, gpt.ReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	table, err := disk.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := func(number int) word { return word(table.Partition(number).Attributes) }
	return words{at(2), at(5), at(8)}, table.Damage() == nil && len(table.Partitions) == len(kinds)
}
