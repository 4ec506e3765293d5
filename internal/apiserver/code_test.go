package apiserver

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestGiveBackCode(t *testing.T) {
	before := residentFileKiB(t)
	if err := giveBackCode(); err != nil {
		t.Fatal(err)
	}
	if after := residentFileKiB(t); after >= before {
		t.Errorf("%d KiB of the program are in memory, %d before", after, before)
	}
}

func residentFileKiB(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "RssFile:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestParseMapping(t *testing.T) {
	got, ok := parseMapping("00400000-00a3c000 r-xp 00000000 fe:00 1234                       /usr/bin/hostler")
	want := mapping{0x400000, 0xa3c000, "r-xp", "/usr/bin/hostler"}
	if !ok || got != want {
		t.Errorf("got %+v, %v; want %+v", got, ok, want)
	}
	for _, line := range []string{"", "Size:               6384 kB", "zz-00 r-xp 00000000 fe:00 1234 /x", "VmFlags: rd ex mr mw me sd"} {
		if m, ok := parseMapping(line); ok {
			t.Errorf("%q is taken as %+v", line, m)
		}
	}
}
