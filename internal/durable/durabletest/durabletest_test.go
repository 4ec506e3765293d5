package durabletest

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// crashes lists what a log may leave after its last operation, as short texts.
func crashesAtEnd(t *testing.T, log Log) []string {
	t.Helper()
	seen := map[string]bool{}
	err := log.CrashesAfter(len(log.Ops), func(c Crash) error {
		var text strings.Builder
		for _, p := range sortedPaths(c.Tree) {
			text.WriteString(p + "=" + brief(c.Tree[p]) + " ")
		}
		seen[strings.TrimSpace(text.String())] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(seen))
}

// brief is the first letter of each sector of a file.
func brief(n Node) string {
	var text strings.Builder
	for at := 0; at < len(n.Data); at += sector {
		text.WriteString(strings.ReplaceAll(string(n.Data[at]), "\x00", "0"))
	}
	return text.String()
}

func sectors(letters string) []byte {
	var data []byte
	for _, l := range letters {
		data = append(data, strings.Repeat(string(l), sector)...)
	}
	return data
}

func TestWhatACrashMayLeave(t *testing.T) {
	base := Tree{"f": {Mode: 0o600, Data: sectors("aa")}}
	write := Op{Kind: Write, Path: "f", Data: sectors("bb")}
	temp := []Op{{Kind: Create, Path: "t"}, {Kind: Write, Path: "t", Data: sectors("n")}}
	rename := Op{Kind: Rename, Path: "t", To: "f"}
	tests := []struct {
		name string
		ops  []Op
		want []string
	}{
		{"nothing was done", nil, []string{"f=aa"}},
		{"a write is lost, kept or torn", []Op{write}, []string{"f=aa", "f=ab", "f=ba", "f=bb"}},
		{"a synced write stays", []Op{write, {Kind: DataSync, Path: "f"}}, []string{"f=bb"}},
		{"a sync of the folder is none of the file", []Op{write, {Kind: SyncDir, Path: "."}}, []string{"f=aa", "f=ab", "f=ba", "f=bb"}},
		{"a file grows without its data", []Op{{Kind: Write, Path: "f", Offset: 2 * sector, Data: sectors("bb")}}, []string{"f=aa", "f=aa00", "f=aa0b", "f=aab0", "f=aabb"}},
		{"a cut", []Op{{Kind: Truncate, Path: "f", Offset: sector}}, []string{"f=a", "f=aa"}},
		{"a rename without any sync", append(slices.Clone(temp), rename), []string{"f=", "f=aa", "f=aa t=", "f=aa t=n", "f=n"}},
		{"a rename of a synced file", append(slices.Clone(temp), Op{Kind: Sync, Path: "t"}, rename), []string{"f=aa", "f=aa t=n", "f=n"}},
		{"a rename, all synced", append(slices.Clone(temp), Op{Kind: Sync, Path: "t"}, rename, Op{Kind: SyncDir, Path: "."}), []string{"f=n"}},
		{"a removal", []Op{{Kind: Remove, Path: "f"}}, []string{"", "f=aa"}},
		{"a second name", []Op{{Kind: Link, Path: "f", To: "g"}}, []string{"f=aa", "f=aa g=aa"}},
		{"a file in a folder that is lost", []Op{{Kind: Mkdir, Path: "d"}, {Kind: Create, Path: "d/x"}, {Kind: SyncDir, Path: "d"}}, []string{"d= d/x= f=aa", "f=aa"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(crashesAtEnd(t, Log{base, test.ops}), test.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestManyChangesAreSampled(t *testing.T) {
	var log Log
	log.Base = Tree{"f": {}}
	for i := range 3 * allSubsets {
		log.Ops = append(log.Ops, Op{Kind: Write, Path: "f", Offset: int64(i) * sector, Data: sectors("x")})
	}
	got := crashesAtEnd(t, log)
	for _, want := range []string{"f=", "f=" + strings.Repeat("x", len(log.Ops)), "f=x", "f=0x", "f=xx0" + strings.Repeat("x", len(log.Ops)-3)} {
		if !slices.Contains(got, want) {
			t.Errorf("%s was not tried", want)
		}
	}
	if most := 40 * len(log.Ops); len(got) > most {
		t.Errorf("%d crashes of %d changes", len(got), len(log.Ops))
	}
}

func TestMarksComeWithTheCrashesAfterThem(t *testing.T) {
	log := Log{Tree{"f": {}}, []Op{{Kind: Mark, Mark: "one"}, {Kind: Remove, Path: "f"}, {Kind: Mark, Mark: "two"}}}
	var got []string
	err := log.Crashes(func(c Crash) error {
		got = append(got, strings.Join(c.Marks, " "))
		return nil
	})
	if diff := cmp.Diff(got, []string{"", "one", "one", "one two", "one two"}); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestReplayRefusesWhatCannotBe(t *testing.T) {
	for _, op := range []Op{
		{Kind: Write, Path: "missing"},
		{Kind: Rename, Path: "missing", To: "f"},
		{Kind: Remove, Path: "f/below"},
		{Kind: Rename, Path: "f", To: "d/f"},
		{Kind: Sync, Path: "missing"},
	} {
		log := Log{Tree{"f": {}, "d": {Dir: true}}, []Op{op}}
		if err := log.Crashes(func(Crash) error { return nil }); err == nil {
			t.Errorf("%v was replayed", op)
		}
	}
	missing := Log{Tree{}, []Op{{Kind: Write, Path: "missing"}}}
	if err := missing.Crashes(func(Crash) error { return nil }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
