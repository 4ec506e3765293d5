package slot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// fakeSys is a folder laid out like /sys: links from numbers to devices.
type fakeSys struct {
	t   *testing.T
	dir string
}

func (f fakeSys) write(path, text string) {
	f.t.Helper()
	path = filepath.Join(f.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f fakeSys) link(target, path string) {
	f.t.Helper()
	path = filepath.Join(f.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		f.t.Fatal(err)
	}
}

// disk adds a disk; partitions maps names of partitions to "number major:minor".
func (f fakeSys) disk(name, number string, partitions map[string]string) {
	base := "devices/pci0/" + name
	f.write(base+"/dev", number)
	f.write(base+"/queue/hw_sector_size", "512")
	f.link("../../"+base, "dev/block/"+number)
	f.link("../"+base, "block/"+name)
	for part, facts := range partitions {
		n, at, _ := strings.Cut(facts, " ")
		f.write(base+"/"+part+"/partition", n)
		f.write(base+"/"+part+"/dev", at)
		f.link("../../"+base+"/"+part, "dev/block/"+at)
	}
}

// mapper adds a device on others, given as "name major:minor".
func (f fakeSys) mapper(name, number string, on ...string) {
	base := "devices/virtual/block/" + name
	f.write(base+"/dev", number)
	f.link("../../"+base, "dev/block/"+number)
	f.link("../"+base, "block/"+name)
	for _, o := range on {
		below, at, _ := strings.Cut(o, " ")
		f.link("../../../../../dev/block/"+at, base+"/slaves/"+below)
	}
}

func newFakeSys(t *testing.T) fakeSys {
	f := fakeSys{t, t.TempDir()}
	partitions := map[string]string{}
	for i, at := range []string{"1", "2", "3", "4", "5", "6", "7", "8"} {
		partitions["nvme0n1p"+at] = at + " 259:" + []string{"1", "2", "3", "4", "5", "300", "301", "8"}[i]
	}
	f.disk("nvme0n1", "259:0", partitions)
	f.disk("cciss!c0d0", "104:0", map[string]string{"cciss!c0d0p3": "3 104:3"})
	f.disk("sda", "8:0", nil)
	f.mapper("dm-0", "254:0", "nvme0n1p3 259:3", "nvme0n1p4 259:4")
	f.mapper("dm-1", "254:1", "nvme0n1p6 259:300", "nvme0n1p7 259:301")
	f.mapper("dm-2", "254:2", "dm-1 254:1")
	f.mapper("dm-3", "254:3", "sda 8:0")
	f.mapper("dm-4", "254:4", "nvme0n1p3 259:3", "cciss!c0d0p3 104:3")
	f.mapper("dm-5", "254:5", "dm-5 254:5")
	f.mapper("dm-300", "254:300", "nvme0n1p6 259:300", "nvme0n1p7 259:301")
	f.mapper("dm-6", "254:6", "nvme0n1p3 259:3", "nvme0n1p7 259:301")
	f.mapper("dm-7", "254:7", "nvme0n1p8 259:8")
	return f
}

var sample = Layout{Sets: [2]Parts{{2, 3, 4}, {5, 6, 7}}, Private: 8}

func TestFind(t *testing.T) {
	sys := os.DirFS(newFakeSys(t).dir)
	tests := []struct {
		name         string
		major, minor uint32
		path         string
		active       Name
		want         string // in the error
	}{
		{"through dm-verity, A", 254, 0, "/dev/nvme0n1", A, ""},
		{"through dm-verity, B", 254, 1, "/dev/nvme0n1", B, ""},
		{"through two mappers", 254, 2, "/dev/nvme0n1", B, ""},
		{"a minor number beyond 255", 254, 300, "/dev/nvme0n1", B, ""},
		{"a partition itself", 259, 3, "/dev/nvme0n1", A, ""},
		{"a partition with a minor number beyond 255", 259, 300, "/dev/nvme0n1", B, ""},
		{"a name with a slash", 104, 3, "/dev/cciss/c0d0", A, ""},
		{"a whole disk", 8, 0, "", A, "/dev/sda is no partition"},
		{"a mapper on a whole disk", 254, 3, "", A, "/dev/sda is not a partition"},
		{"two disks", 254, 4, "", A, "and of"},
		{"a circle", 254, 5, "", A, "on top of each other"},
		{"both sets", 254, 6, "/dev/nvme0n1", A, "both sets"},
		{"no set", 254, 7, "/dev/nvme0n1", A, "/dev/nvme0n1p8 is in neither set"},
		{"no device", 0, 45, "", A, "on no block device"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d, err := find(sys, unix.Mkdev(test.major, test.minor))
			active := A
			if err == nil {
				active, err = d.activeIn(sample)
			}
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want %s", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d.Path != test.path || active != test.active {
				t.Errorf("got %s, %s", d.Path, active)
			}
		})
	}
}

func TestNodes(t *testing.T) {
	sys := os.DirFS(newFakeSys(t).dir)
	d, err := find(sys, unix.Mkdev(254, 0))
	if err != nil {
		t.Fatal(err)
	}
	if node, err := d.node(6); err != nil || node != "/dev/nvme0n1p6" {
		t.Error(node, err)
	}
	if node, err := d.node(9); err == nil {
		t.Errorf("partition 9 is %s", node)
	}
	for _, test := range []struct {
		disk Disk
		want string
	}{
		{Disk{Path: "/dev/sdb"}, "/dev/sdb2"},
		{Disk{Path: "/dev/loop0"}, "/dev/loop0p2"},
		{Disk{Path: "os.img", image: true}, "os.imgp2"},
	} {
		if got, err := test.disk.node(2); err != nil || got != test.want {
			t.Errorf("%s: %s, %v", test.disk.Path, got, err)
		}
	}
}
