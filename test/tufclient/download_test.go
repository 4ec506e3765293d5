package main

import (
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/tufrepo/tufrepotest"
)

func (c *client) addTarget(role, name, content string) {
	c.repo.AddTarget(role, name, []byte(content))
	c.repo.Publish(role, "snapshot", "timestamp")
}

func TestDownload(t *testing.T) {
	for _, name := range []string{"target_file.txt", "path/to/a/target_file.txt"} {
		c := newClient(t)
		c.addTarget("targets", name, "content")
		c.refresh(0)
		c.downloaded()
		c.download(0, name)
		c.downloaded("content")
	}
}

func TestDownloadIsCached(t *testing.T) {
	c := newClient(t)
	c.addTarget("targets", "target", "content")
	c.download(0, "target")
	c.repo.Asked()
	c.download(0, "target")
	for _, name := range c.repo.Asked() {
		if strings.HasPrefix(name, "targets/") {
			t.Errorf("asked for %s again", name)
		}
	}
	c.addTarget("targets", "target", "other content")
	c.download(0, "target")
	c.downloaded("other content")
}

func TestSubstitutedTarget(t *testing.T) {
	c := newClient(t)
	c.addTarget("targets", "a", "content of a")
	c.addTarget("targets", "b", "content of b")
	c.download(0, "a")
	for name, content := range map[string]string{"a": "content of a", "b": "content of b"} {
		c.repo.Put(tufrepotest.TargetFile(name, []byte(content)), []byte("evil content"))
	}
	c.download(0, "a")
	c.download(1, "b")
	c.downloaded("content of a")
}

func TestHashAlgorithms(t *testing.T) {
	content := []byte("content")
	sha512 := tufrepotest.SHA512(content)
	sha256 := strings.TrimSuffix(strings.TrimPrefix(tufrepotest.TargetFile("t", content), "targets/"), ".t")
	for name, test := range map[string]struct {
		hashes map[string]any
		want   int
	}{
		"sha256":             {map[string]any{"sha256": sha256}, 0},
		"sha512":             {map[string]any{"sha512": sha512}, 0},
		"both":               {map[string]any{"sha256": sha256, "sha512": sha512}, 0},
		"one wrong":          {map[string]any{"sha256": sha256, "sha512": sha256}, 1},
		"known and unknown":  {map[string]any{"sha256": sha256, "unknown": sha512}, 0},
		"unknown":            {map[string]any{"unknown": sha512}, 1},
		"none":               {map[string]any{}, 1},
		"length is too long": {map[string]any{"sha256": sha256, "length": 8}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t)
			length := len(content)
			if l, ok := test.hashes["length"]; ok {
				length = l.(int)
				delete(test.hashes, "length")
			}
			c.repo.Roles["targets"]["targets"] = map[string]any{"t": map[string]any{"length": length, "hashes": test.hashes}}
			c.repo.Put("targets/"+sha256+".t", content)
			c.repo.Put("targets/"+sha512+".t", content)
			c.repo.Publish("targets", "snapshot", "timestamp")
			c.download(test.want, "t")
			if test.want == 0 {
				c.downloaded("content")
			} else {
				c.downloaded()
			}
		})
	}
}

type edges []tufrepotest.Delegation

func TestDelegationGraphs(t *testing.T) {
	for name, test := range map[string]struct {
		edges edges
		want  string // roles in the order in which they are asked for
	}{
		"one":                 {edges{{From: "targets", To: "A"}}, "A"},
		"siblings":            {edges{{From: "targets", To: "A"}, {From: "targets", To: "B"}}, "A B"},
		"two levels":          {edges{{From: "targets", To: "A"}, {From: "targets", To: "B"}, {From: "B", To: "C"}}, "A B C"},
		"depth first":         {edges{{From: "targets", To: "A"}, {From: "targets", To: "B"}, {From: "A", To: "C"}, {From: "A", To: "D"}}, "A C D B"},
		"deeper first":        {edges{{From: "targets", To: "A"}, {From: "targets", To: "B"}, {From: "A", To: "C"}, {From: "C", To: "D"}}, "A C D B"},
		"terminating":         {edges{{From: "targets", To: "A"}, {From: "targets", To: "B"}, {From: "A", To: "C", Terminating: true}, {From: "A", To: "D"}}, "A C"},
		"below terminating":   {edges{{From: "targets", To: "A"}, {From: "targets", To: "B"}, {From: "A", To: "C", Terminating: true}, {From: "C", To: "D"}}, "A C D"},
		"paths":               {edges{{From: "targets", To: "A", Paths: []string{"*.py"}}, {From: "targets", To: "B"}, {From: "A", To: "C"}}, "B"},
		"paths further down":  {edges{{From: "targets", To: "A"}, {From: "targets", To: "B"}, {From: "A", To: "C", Paths: []string{"*.py"}}, {From: "C", To: "D"}}, "A B"},
		"loop":                {edges{{From: "targets", To: "A"}, {From: "targets", To: "B"}, {From: "B", To: "C"}, {From: "C", To: "D"}, {From: "D", To: "B"}}, "A B C D"},
		"two delegators":      {edges{{From: "targets", To: "A"}, {From: "targets", To: "B"}, {From: "B", To: "C"}, {From: "A", To: "C"}}, "A C B"},
		"only one may":        {edges{{From: "targets", To: "A"}, {From: "targets", To: "B"}, {From: "B", To: "C"}, {From: "A", To: "C", Paths: []string{"*.py"}}}, "A B C"},
		"by hash":             {edges{{From: "targets", To: "A", Prefixes: []string{"cf"}}, {From: "targets", To: "B", Prefixes: []string{"zz", "bec"}}}, "B"},
		"by all hashes":       {edges{{From: "targets", To: "A", Prefixes: strings.Split("0123456789abcdef", "")}}, "A"},
		"terminating by path": {edges{{From: "targets", To: "A", Paths: []string{"x"}, Terminating: true}, {From: "targets", To: "B"}}, "B"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t)
			roles := map[string]bool{"targets": true}
			for _, e := range test.edges {
				c.repo.Delegate(e)
				roles[e.To] = true
			}
			for role := range roles {
				c.repo.Publish(role)
			}
			c.repo.Publish("snapshot", "timestamp")
			c.download(1, "missingpath")
			want := []string{"2.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json"}
			for role := range strings.FieldsSeq(test.want) {
				want = append(want, "1."+role+".json")
			}
			c.asked(want...)
		})
	}
}

func TestTargetsOfDelegatedRoles(t *testing.T) {
	c := newClient(t)
	for _, d := range (edges{
		{From: "targets", To: "A", Paths: []string{"*.doc", "*.md"}},
		{From: "targets", To: "B", Paths: []string{"releases/*/*"}},
		{From: "B", To: "C", Paths: []string{"releases/x/*"}},
		{From: "B", To: "D", Paths: []string{"releases/y/*.zip"}},
	}) {
		c.repo.Delegate(d)
	}
	c.repo.AddTarget("targets", "targetfile", []byte("top"))
	c.repo.AddTarget("A", "README.md", []byte("by A"))
	c.repo.AddTarget("C", "releases/x/x_v1", []byte("by C"))
	c.repo.AddTarget("D", "releases/y/y_v1.zip", []byte("by D"))
	c.repo.AddTarget("D", "releases/z/z_v1.zip", []byte("nobody lets D"))
	c.repo.Publish("A", "B", "C", "D", "targets", "snapshot", "timestamp")
	for _, name := range []string{"targetfile", "README.md", "releases/x/x_v1", "releases/y/y_v1.zip"} {
		c.download(0, name)
	}
	c.download(1, "releases/z/z_v1.zip")
	c.downloaded("by A", "by C", "by D", "top")
}

func TestUnusualRoleNames(t *testing.T) {
	for role, quoted := range map[string]string{
		"?": "%3F", "#": "%23", "/delegatedrole": "%2Fdelegatedrole", "../delegatedrole": "..%2Fdelegatedrole",
	} {
		t.Run(role, func(t *testing.T) {
			c := newClient(t)
			c.repo.Delegate(tufrepotest.Delegation{From: "targets", To: role})
			c.repo.Publish(role, "targets", "snapshot", "timestamp")
			c.download(1, "nonexistent target")
			c.asked("2.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json", "1."+quoted+".json")
			files, err := filepath.Glob(filepath.Join(c.metadata, "*.json"))
			if err != nil || len(files) != 5 {
				t.Errorf("%v (%v), want 5 roles", files, err)
			}
		})
	}
}

func TestDelegationNotInSnapshot(t *testing.T) {
	c := newClient(t)
	c.repo.Delegate(tufrepotest.Delegation{From: "targets", To: "A"})
	c.repo.AddTarget("A", "file", []byte("content"))
	c.repo.Publish("A", "targets")
	delete(c.repo.Roles["snapshot"]["meta"].(map[string]any), "A.json")
	c.repo.Publish("snapshot", "timestamp")
	c.download(1, "file")
	c.downloaded()
}

// A role that two others delegate to, each with its own key: what one of them
// vouched for does not count for the other, neither in another run of the
// client nor in one that looks for both.
func TestCachedRoleIsVerifiedAgainstTheDelegatorOfTheSearch(t *testing.T) {
	t.Run("two runs", func(t *testing.T) {
		c := newSharedRole(t)
		c.repo.Signers["C"] = c.repo.Signers["C"][:1] // A's key for it
		c.repo.Publish("A", "B", "C", "targets", "snapshot", "timestamp")
		c.download(0, "a")
		c.download(1, "b")
		c.downloaded("for a")
	})
	t.Run("one run", func(t *testing.T) {
		c := newSharedRole(t)
		c.repo.Signers["C"] = c.repo.Signers["C"][:1]
		c.repo.Publish("A", "B", "C", "targets", "snapshot", "timestamp")
		c.download(1, "a", "b")
		c.downloaded("for a")
	})
	t.Run("both vouch", func(t *testing.T) {
		c := newSharedRole(t)
		c.repo.Publish("A", "B", "C", "targets", "snapshot", "timestamp")
		c.download(0, "a", "b")
		c.downloaded("for a", "for b")
		c.asked("2.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json", "1.A.json", "1.C.json", "1.B.json")
	})
}

func newSharedRole(t *testing.T) *client {
	t.Helper()
	c := newClient(t)
	c.repo.Delegate(tufrepotest.Delegation{From: "targets", To: "A", Paths: []string{"a"}})
	c.repo.Delegate(tufrepotest.Delegation{From: "targets", To: "B", Paths: []string{"b"}})
	keys := []*tufrepotest.Key{
		c.repo.Delegate(tufrepotest.Delegation{From: "A", To: "C", Paths: []string{"a"}}),
		c.repo.Delegate(tufrepotest.Delegation{From: "B", To: "C", Paths: []string{"b"}}),
	}
	c.repo.Signers["C"] = keys
	c.repo.AddTarget("C", "a", []byte("for a"))
	c.repo.AddTarget("C", "b", []byte("for b"))
	return c
}

func TestDelegatedRoleExpires(t *testing.T) {
	c := newClient(t)
	c.repo.Delegate(tufrepotest.Delegation{From: "targets", To: "A"})
	c.repo.Roles["A"]["expires"] = tufrepotest.Expires(time.Now().Add(-time.Hour))
	c.repo.AddTarget("A", "first", []byte("1"))
	c.repo.AddTarget("A", "second", []byte("2"))
	c.repo.Publish("A", "targets", "snapshot", "timestamp")
	c.refresh(0)
	c.download(1, "first")
	c.trusted("root:1 snapshot:2 targets:2 timestamp:2")

	c.repo.Roles["A"]["expires"] = tufrepotest.Expires(time.Now().Add(7 * 24 * time.Hour))
	c.repo.Publish("A", "snapshot", "timestamp")
	c.download(0, "first")
	c.at(time.Now().Add(18 * 24 * time.Hour))
	c.download(1, "second")
	c.repo.Roles["A"]["expires"] = tufrepotest.Expires(time.Now().Add(21 * 24 * time.Hour))
	c.repo.Publish("A", "snapshot", "timestamp")
	c.download(0, "second")
	c.downloaded("1", "2")
}

func TestDelegatedRollback(t *testing.T) {
	c := newClient(t)
	c.repo.Delegate(tufrepotest.Delegation{From: "targets", To: "A"})
	c.repo.Publish("A", "A", "targets", "snapshot", "timestamp")
	c.refresh(0)
	c.repo.Roles["A"]["version"] = 1
	c.repo.Republish("A")
	c.repo.Publish("snapshot", "timestamp")
	c.refresh(1)
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"refresh"}, {"--metadata-dir", "x", "nonsense"}, {"--nonsense"}} {
		var stderr strings.Builder
		if code := run(t.Context(), args, &stderr); code != 2 || stderr.String() != usage {
			t.Errorf("%q: code %d, %q", args, code, stderr.String())
		}
	}
}

func TestInitNeedsAFile(t *testing.T) {
	dir := t.TempDir()
	if code := run(t.Context(), []string{"--metadata-dir", dir, "init", filepath.Join(dir, "none")}, io.Discard); code != 1 {
		t.Errorf("code %d, want 1", code)
	}
}
