//go:build integration

package disk

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/gpt"
	"github.com/hostler-os/hostler/internal/updog"
)

// needed are the tools that judge, and those that attach images.
var needed = []string{"sfdisk", "sgdisk", "losetup", "partx", "genisoimage", "fuseiso", "fusermount"}

func TestMain(m *testing.M) {
	if os.Getenv(asUpdog) != "" {
		cli.Main(updog.Run)
	}
	for _, tool := range needed {
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Fprintf(os.Stderr, "disk tests: %v; on Debian: apt-get install fdisk gdisk mount util-linux genisoimage fuseiso fuse\n", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// run runs a tool with input and returns what it printed.
func run(t *testing.T, input string, command ...string) string {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin = strings.NewReader(input)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out)
	}
	return string(out)
}

// judge has both tools look at an image file of 512 byte sectors.
func judge(t *testing.T, image string) {
	t.Helper()
	if out := run(t, "", "sgdisk", "--verify", image); !strings.Contains(out, "No problems found") {
		t.Errorf("sgdisk: %s", out)
	}
	if out := run(t, "", "sfdisk", "--verify", image); !strings.Contains(out, "No errors detected.") {
		t.Errorf("sfdisk: %s", out)
	}
}

// dump is what sfdisk reads.
func dump(t *testing.T, disk string) []gpt.Partition {
	t.Helper()
	var printed struct {
		Table struct {
			Partitions []struct {
				Node, Type, UUID, Name, Attrs string
				Start, Size                   uint64
			}
		} `json:"partitiontable"`
	}
	text := run(t, "", "sfdisk", "--json", disk)
	if err := json.Unmarshal([]byte(text[max(0, strings.Index(text, "{")):]), &printed); err != nil { // warnings come first
		t.Fatal(err)
	}
	var partitions []gpt.Partition
	for _, p := range printed.Table.Partitions {
		partitions = append(partitions, gpt.Partition{
			Number: numberOf(t, disk, p.Node), Type: gpt.MustParseGUID(p.Type), ID: gpt.MustParseGUID(p.UUID),
			First: p.Start, Last: p.Start + p.Size - 1, Attributes: parseAttributes(t, p.Attrs), Name: p.Name,
		})
	}
	return partitions
}

func numberOf(t *testing.T, disk, node string) int {
	t.Helper()
	number, err := strconv.Atoi(strings.TrimPrefix(strings.TrimPrefix(node, disk), "p"))
	if err != nil {
		t.Fatal(err)
	}
	return number
}

var namedAttributes = map[string]int{"RequiredPartition": 0, "NoBlockIOProtocol": 1, "LegacyBIOSBootable": 2}

// parseAttributes reads sfdisk's form: "RequiredPartition GUID:48,56".
func parseAttributes(t *testing.T, text string) uint64 {
	t.Helper()
	var word uint64
	for field := range strings.FieldsSeq(text) {
		if bit, ok := namedAttributes[field]; ok {
			word |= 1 << bit
			continue
		}
		for number := range strings.SplitSeq(strings.TrimPrefix(field, "GUID:"), ",") {
			bit, err := strconv.Atoi(number)
			if err != nil {
				t.Fatalf("attributes %q: %v", text, err)
			}
			word |= 1 << bit
		}
	}
	return word
}

// formatAttributes writes it.
func formatAttributes(word uint64) string {
	var fields, bits []string
	for name, bit := range namedAttributes {
		if word>>bit&1 == 1 {
			fields = append(fields, name)
		}
	}
	for bit := 48; bit < 64; bit++ {
		if word>>bit&1 == 1 {
			bits = append(bits, strconv.Itoa(bit))
		}
	}
	if len(bits) > 0 {
		fields = append(fields, "GUID:"+strings.Join(bits, ","))
	}
	return strings.Join(fields, " ")
}

// newFile is a sparse file.
func newFile(t *testing.T, name string, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

// read is what we read; both copies must count.
func read(t *testing.T, path string) *gpt.Table {
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
	if err := table.Damage(); err != nil {
		t.Error(err)
	}
	return table
}

// update changes a disk's table.
func update(t *testing.T, path string, change func(*gpt.Table)) {
	t.Helper()
	disk, err := gpt.Open(path, gpt.ReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	if _, err := disk.Update(t.Context(), func(table *gpt.Table) error { change(table); return nil }); err != nil {
		t.Fatal(err)
	}
}
