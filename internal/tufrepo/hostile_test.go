package tufrepo_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/unicode/norm"

	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/tufrepo/tufrepotest"
)

func source(t testing.TB, repo *tufrepotest.Repo) tufrepo.Source {
	t.Helper()
	s, err := tufrepo.Remote(repo.URL+"/metadata", repo.URL+"/targets", quick())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func open(t testing.TB, repo *tufrepotest.Repo, o tufrepo.Options) (*tufrepo.Repository, error) {
	t.Helper()
	if o.TrustedRoot == nil {
		o.TrustedRoot = repo.Root()
	}
	return tufrepo.Open(t.Context(), source(t, repo), o)
}

func mustOpen(t testing.TB, repo *tufrepotest.Repo, o tufrepo.Options) *tufrepo.Repository {
	t.Helper()
	r, err := open(t, repo, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

type object = map[string]any

// Metadata that its keys signed, and that is refused all the same.
func TestMalformed(t *testing.T) {
	// The timestamp is altered after the snapshot has announced itself there.
	role := func(name string, change func(signed object)) func(r *tufrepotest.Repo) {
		return func(r *tufrepotest.Repo) {
			if name == "timestamp" {
				r.Publish("targets", "snapshot")
			}
			change(r.Roles[name])
			if name == "timestamp" {
				r.Publish("timestamp")
			} else {
				r.Publish("root", "targets", "snapshot", "timestamp")
			}
		}
	}
	delegated := func(change func(role object)) func(r *tufrepotest.Repo) {
		return func(r *tufrepotest.Repo) {
			r.Delegate(tufrepotest.Delegation{From: "targets", To: "A"})
			change(r.Roles["targets"]["delegations"].(object)["roles"].([]any)[0].(object))
			r.Publish("targets", "snapshot", "timestamp")
		}
	}
	for name, change := range map[string]func(r *tufrepotest.Repo){
		"newer specification":     role("timestamp", func(s object) { s["spec_version"] = "2.0.0" }),
		"no specification":        role("timestamp", func(s object) { delete(s, "spec_version") }),
		"no type":                 role("targets", func(s object) { delete(s, "_type") }),
		"version 0":               role("targets", func(s object) { s["version"] = -1 }),
		"no expiry":               role("snapshot", func(s object) { delete(s, "expires") }),
		"expiry null":             role("snapshot", func(s object) { s["expires"] = nil }),
		"expiry is no time":       role("snapshot", func(s object) { s["expires"] = "tomorrow" }),
		"no meta":                 role("timestamp", func(s object) { delete(s, "meta") }),
		"meta of another file":    role("timestamp", func(s object) { s["meta"] = object{"targets.json": object{"version": 1}} }),
		"meta null":               role("timestamp", func(s object) { s["meta"] = object{"snapshot.json": nil} }),
		"meta version 0":          role("timestamp", func(s object) { s["meta"] = object{"snapshot.json": object{"version": 0}} }),
		"negative length of meta": role("timestamp", func(s object) { s["meta"] = object{"snapshot.json": object{"version": 2, "length": -1}} }),
		"meta of no file":         role("snapshot", func(s object) { s["meta"].(object)["../x"] = object{"version": 1} }),
		"no targets":              role("targets", func(s object) { delete(s, "targets") }),
		"target null":             role("targets", func(s object) { s["targets"] = object{"x": nil} }),
		"negative length":         role("targets", func(s object) { s["targets"] = object{"x": object{"length": -1, "hashes": object{"sha256": "00"}}} }),
		"no hashes":               role("targets", func(s object) { s["targets"] = object{"x": object{"length": 1}} }),
		"key null":                role("root", func(s object) { s["keys"].(object)["x"] = nil }),
		"no roles":                role("root", func(s object) { delete(s, "roles") }),
		"no timestamp role":       role("root", func(s object) { delete(s["roles"].(object), "timestamp") }),
		"threshold 0":             role("root", func(s object) { s["roles"].(object)["timestamp"].(object)["threshold"] = 0 }),
		"delegated to root":       delegated(func(r object) { r["name"] = "root" }),
		"delegated to 1.root":     delegated(func(r object) { r["name"] = "1.root" }),
		"delegated to nobody":     delegated(func(r object) { r["name"] = "" }),
		"delegated with 0 keys":   delegated(func(r object) { r["threshold"] = 0 }),
		"delegated twice over":    delegated(func(r object) { r["path_hash_prefixes"] = []any{"0"} }),
		"delegated key null": func(r *tufrepotest.Repo) {
			r.Delegate(tufrepotest.Delegation{From: "targets", To: "A"})
			r.Roles["targets"]["delegations"].(object)["keys"].(object)["x"] = nil
			r.Publish("targets", "snapshot", "timestamp")
		},
		"delegated twice": func(r *tufrepotest.Repo) {
			r.Delegate(tufrepotest.Delegation{From: "targets", To: "A"})
			r.Delegate(tufrepotest.Delegation{From: "targets", To: "A"})
			r.Publish("targets", "snapshot", "timestamp")
		},
		"bins without end": role("targets", func(s object) {
			s["delegations"] = object{"keys": object{}, "succinct_roles": object{"keyids": []any{}, "threshold": 1, "bit_length": 33, "name_prefix": "x"}}
		}),
		"not a whole number": role("targets", func(s object) { s["x"] = json.Number("1.5") }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repo := tufrepotest.New(t)
			change(repo)
			_, err := open(t, repo, tufrepo.Options{Delegations: tufrepo.AllowDelegations})
			if !errors.Is(err, tufrepo.ErrMalformed) {
				t.Errorf("%v, want malformed metadata", err)
			}
		})
	}
}

// Bytes that differ from what was signed only in ways that some readers miss.
func TestTamperedBytes(t *testing.T) {
	for name, change := range map[string]func(raw string) string{
		"member twice": func(raw string) string { return strings.Replace(raw, `"version"`, `"version": 9, "version"`, 1) },
		"signed twice": func(raw string) string { return strings.Replace(raw, `"signed"`, `"signed": {}, "signed"`, 1) },
		"signatures twice": func(raw string) string {
			return strings.Replace(raw, `"signatures"`, `"signatures": [], "signatures"`, 1)
		},
		"something after it": func(raw string) string { return raw + "{}" },
		"broken UTF-8":       func(raw string) string { return strings.Replace(raw, `"timestamp"`, "\"timestamp\xff\"", 1) },
		"half a surrogate":   func(raw string) string { return strings.Replace(raw, `"timestamp"`, `"timestamp\ud800"`, 1) },
		"empty":              func(string) string { return "" },
		"not an object":      func(string) string { return "[]" },
		"signed is no object": func(string) string {
			return `{"signed": 1, "signatures": []}`
		},
		"nothing signed": func(string) string { return `{"signatures": []}` },
		"deep":           func(string) string { return strings.Repeat(`{"signed":`, 20000) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repo := tufrepotest.New(t)
			repo.Put("metadata/timestamp.json", []byte(change(string(repo.Get("metadata/timestamp.json")))))
			if _, err := open(t, repo, tufrepo.Options{}); !errors.Is(err, tufrepo.ErrMalformed) {
				t.Errorf("%v, want malformed metadata", err)
			}
		})
	}
}

// What is signed is the canonical form, so its spelling may change on the way.
func TestSpellingDoesNotMatter(t *testing.T) {
	repo := tufrepotest.New(t)
	for _, expires := range []string{
		"2090-01-01T00:00:00.500Z", "2090-01-01T00:00:00.123450Z", "2090-01-01T00:00:00.123456780Z", "2090-01-01T00:00:00+00:00",
	} {
		repo.Roles["timestamp"]["expires"] = expires
		repo.Publish("timestamp")
		if _, err := open(t, repo, tufrepo.Options{}); err != nil {
			t.Errorf("expires %s: %v", expires, err)
		}
	}
	raw := strings.ReplaceAll(string(repo.Get("metadata/timestamp.json")), "\n", "\r\n\t")
	raw = strings.Replace(raw, `"timestamp"`, `"\u0074imestamp"`, 1)
	repo.Put("metadata/timestamp.json", []byte(raw))
	if _, err := open(t, repo, tufrepo.Options{}); err != nil {
		t.Error(err)
	}
}

// The reference's tools sign strings in Unicode's normal form C, whatever form
// they are published in; others sign them as they are. Nothing else verifies.
func TestNormalForms(t *testing.T) {
	const name = "e\u0301 and \u212b" // decomposed, and a compatibility letter
	for form, test := range map[string]struct {
		sign func([]byte) []byte
		want error
	}{
		"as they are": {nil, nil},
		"C":           {norm.NFC.Bytes, nil},
		"D":           {norm.NFD.Bytes, tufrepo.ErrThreshold},
	} {
		t.Run(form, func(t *testing.T) {
			repo := tufrepotest.New(t)
			repo.Form = test.sign
			repo.AddTarget("targets", name, []byte("content"))
			repo.Publish("targets", "snapshot", "timestamp")
			r, err := open(t, repo, tufrepo.Options{})
			if !errors.Is(err, test.want) {
				t.Fatalf("%v, want %v", err, test.want)
			}
			if err == nil && !slices.Equal(r.Targets(), []string{name}) {
				t.Errorf("targets %q", r.Targets())
			}
		})
	}
}

func TestOversized(t *testing.T) {
	for file, spaces := range map[string]int{
		"2.root.json": 1 << 20, "timestamp.json": 1 << 20, "1.snapshot.json": 1 << 20, "1.targets.json": 10 << 20,
	} {
		t.Run(file, func(t *testing.T) {
			repo := tufrepotest.New(t)
			repo.Publish("root")
			repo.Put("metadata/"+file, append(repo.Get("metadata/"+file), make([]byte, spaces)...))
			if _, err := open(t, repo, tufrepo.Options{}); !errors.Is(err, tufrepo.ErrLength) {
				t.Errorf("%v, want a wrong length", err)
			}
		})
	}
	t.Run("announced beyond reason", func(t *testing.T) {
		repo := tufrepotest.New(t)
		repo.Hashes = true
		repo.Publish("targets", "snapshot")
		repo.Roles["timestamp"]["meta"].(object)["snapshot.json"] = object{"version": 2, "length": 1 << 40}
		repo.Publish("timestamp")
		repo.Put("metadata/2.snapshot.json", append(repo.Get("metadata/2.snapshot.json"), make([]byte, 4<<20)...))
		if _, err := open(t, repo, tufrepo.Options{}); !errors.Is(err, tufrepo.ErrLength) {
			t.Errorf("%v, want a wrong length", err)
		}
	})
	t.Run("more than announced", func(t *testing.T) {
		repo := tufrepotest.New(t)
		repo.Hashes = true
		repo.Publish("targets", "snapshot", "timestamp")
		repo.Put("metadata/2.targets.json", append(repo.Get("metadata/2.targets.json"), ' '))
		if _, err := open(t, repo, tufrepo.Options{}); !errors.Is(err, tufrepo.ErrLength) {
			t.Errorf("%v, want a wrong length", err)
		}
	})
}

func TestBadMetadataServers(t *testing.T) {
	for name, test := range map[string]struct {
		handle http.HandlerFunc
		kind   error
	}{
		"endless": {endless, tufrepo.ErrLength}, "silent": {silent, tufrepo.ErrNetwork},
		"a byte now and then": {dripping, tufrepo.ErrNetwork}, "redirects for ever": {looping, tufrepo.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(test.handle)
			t.Cleanup(server.Close)
			s, err := tufrepo.Remote(server.URL, server.URL, impatient())
			if err != nil {
				t.Fatal(err)
			}
			repo := tufrepotest.New(t)
			if _, err := tufrepo.Open(t.Context(), s, tufrepo.Options{TrustedRoot: repo.Root()}); !errors.Is(err, test.kind) {
				t.Errorf("%v, want %v", err, test.kind)
			}
		})
	}
}

func TestRootsWithoutEnd(t *testing.T) {
	repo := tufrepotest.New(t)
	for range 1024 {
		repo.Publish("root")
	}
	dir := t.TempDir()
	repo.WriteTo(dir)
	local := tufrepo.Dir(dir+"/metadata", dir+"/targets")
	_, err := tufrepo.Open(t.Context(), local, tufrepo.Options{TrustedRoot: repo.Root()})
	if !errors.Is(err, tufrepo.ErrTooManyRoots) {
		t.Errorf("%v, want too many roots", err)
	}
}

// A signed root that skips a version is refused.
func TestSkippedRoot(t *testing.T) {
	repo := tufrepotest.New(t)
	repo.Publish("root", "root")
	repo.Put("metadata/2.root.json", repo.Get("metadata/3.root.json"))
	if _, err := open(t, repo, tufrepo.Options{}); !errors.Is(err, tufrepo.ErrVersion) {
		t.Errorf("%v, want a wrong version", err)
	}
}

func TestExpiryPolicy(t *testing.T) {
	for _, role := range []string{"root", "timestamp", "snapshot", "targets", "A"} {
		t.Run(role, func(t *testing.T) {
			repo := tufrepotest.New(t)
			repo.Delegate(tufrepotest.Delegation{From: "targets", To: "A"})
			repo.AddTarget("A", "file", []byte("content"))
			repo.Roles[role]["expires"] = "2020-01-01T00:00:00Z"
			repo.Publish("A", "root", "targets", "snapshot", "timestamp")
			look := func(o tufrepo.Options) error {
				o.Delegations = tufrepo.AllowDelegations
				r, err := open(t, repo, o)
				if err == nil {
					_, err = r.Target(t.Context(), "file")
				}
				return err
			}
			if err := look(tufrepo.Options{}); !errors.Is(err, tufrepo.ErrExpired) || !strings.Contains(err.Error(), role+" metadata is expired") {
				t.Errorf("%v, want expired metadata", err)
			}
			if err := look(tufrepo.Options{Expiry: tufrepo.IgnoreExpiry}); err != nil {
				t.Error(err)
			}
			then := func() time.Time { return time.Date(2019, 12, 31, 23, 59, 59, 0, time.UTC) }
			if err := look(tufrepo.Options{Now: then}); err != nil {
				t.Error(err)
			}
		})
	}
}

// Without hashes in the timestamp, files of two publications could be mixed:
// versions forbid it.
func TestMixAndMatch(t *testing.T) {
	repo := tufrepotest.New(t)
	state := t.TempDir()
	mustOpen(t, repo, tufrepo.Options{Dir: state})
	repo.Publish("targets", "snapshot", "timestamp")
	repo.Put("metadata/2.targets.json", repo.Get("metadata/1.targets.json"))
	if _, err := open(t, repo, tufrepo.Options{Dir: state}); !errors.Is(err, tufrepo.ErrVersion) {
		t.Errorf("%v, want a wrong version", err)
	}
	// What was begun is finished when the repository is whole again.
	repo.Publish("targets", "snapshot", "timestamp")
	r := mustOpen(t, repo, tufrepo.Options{Dir: state})
	if diff := cmp.Diff(tufrepo.Versions{Root: 1, Timestamp: 3, Snapshot: 3, Targets: 3}, r.Versions()); diff != "" {
		t.Error(diff)
	}
}

// A repository that goes back to an old state is noticed by the next run, and
// an attacker who can hide new roots gains nothing by it.
func TestRollbackAcrossRuns(t *testing.T) {
	repo := tufrepotest.New(t)
	old := map[string][]byte{"timestamp.json": repo.Get("metadata/timestamp.json")}
	state := t.TempDir()
	repo.RotateKeys("timestamp")
	repo.Publish("root", "targets", "snapshot", "timestamp")
	mustOpen(t, repo, tufrepo.Options{Dir: state})
	repo.Put("metadata/2.root.json", nil)
	repo.Put("metadata/timestamp.json", old["timestamp.json"])
	if _, err := open(t, repo, tufrepo.Options{}); err != nil {
		t.Errorf("a host that never saw better: %v", err)
	}
	if _, err := open(t, repo, tufrepo.Options{Dir: state}); !errors.Is(err, tufrepo.ErrThreshold) {
		t.Errorf("%v, want refused by the rotated keys", err)
	}
}

// A new image may bring a root of trust that the stored chain does not lead to.
func TestImageWithAnotherRoot(t *testing.T) {
	one, two := tufrepotest.New(t), tufrepotest.New(t)
	state := t.TempDir()
	one.Publish("root")
	mustOpen(t, one, tufrepo.Options{Dir: state})
	two.Publish("root", "root")
	r := mustOpen(t, two, tufrepo.Options{Dir: state})
	if v := r.Versions().Root; v != 3 {
		t.Errorf("root version %d, want 3", v)
	}
	r = mustOpen(t, two, tufrepo.Options{Dir: state, TrustedRoot: two.Get("metadata/3.root.json")})
	if v := r.Versions().Root; v != 3 {
		t.Errorf("root version %d, want 3", v)
	}
}

// Damage to what is kept costs protection at worst, never the way forward.
func TestDamagedState(t *testing.T) {
	for _, file := range []string{"root.json", "timestamp.json", "snapshot.json", "targets.json", "root_history/2.root.json"} {
		t.Run(file, func(t *testing.T) {
			repo := tufrepotest.New(t)
			repo.Publish("root")
			state := t.TempDir()
			mustOpen(t, repo, tufrepo.Options{Dir: state})
			write(t, state+"/"+file, `{"signed": {"version": 99`)
			mustOpen(t, repo, tufrepo.Options{Dir: state})
		})
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]error{
		"plain": nil, "folder/plain": nil, "a b%2F?#": nil, "a/../b": nil, "./b": nil, "../b": nil, "a//b": nil, "ünï": nil,
		"": tufrepo.ErrName, "..": tufrepo.ErrName, ".": tufrepo.ErrName, "../..": tufrepo.ErrName, "/etc/passwd": tufrepo.ErrName,
		"a/..": tufrepo.ErrName, "a\x00b": tufrepo.ErrName, "a\nb": tufrepo.ErrName,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repo := tufrepotest.New(t)
			repo.AddTarget("targets", name, []byte("content"))
			repo.Publish("targets", "snapshot", "timestamp")
			r := mustOpen(t, repo, tufrepo.Options{})
			_, err := r.Target(t.Context(), name)
			if !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
			if want != nil {
				return
			}
			kept := t.TempDir()
			if err := r.Cache(t.Context(), kept+"/a/metadata", kept+"/a/targets", name); err != nil && !errors.Is(err, tufrepo.ErrNotFound) {
				t.Error(err)
			}
			if outside := slices.DeleteFunc(partFiles(t, kept), func(name string) bool { return name == "a" }); len(outside) > 0 {
				t.Errorf("written outside: %q", outside)
			}
		})
	}
}

// The reference puts the digest before the whole name.
func TestFoldersTheReferencesWay(t *testing.T) {
	repo := tufrepotest.New(t)
	repo.AddTarget("targets", "a/b", []byte("content"))
	repo.Publish("targets", "snapshot", "timestamp")
	specified := tufrepotest.TargetFile("a/b", []byte("content"))
	digest := strings.TrimSuffix(strings.TrimPrefix(specified, "targets/a/"), ".b")
	repo.Put(specified, nil)
	repo.Put("targets/"+digest+".a/b", []byte("content"))
	r := mustOpen(t, repo, tufrepo.Options{})
	if err := r.Download(t.Context(), "a/b", t.TempDir()+"/b", tufrepo.DownloadOptions{}); err != nil {
		t.Error(err)
	}
}

func TestRefusedDelegations(t *testing.T) {
	repo := tufrepotest.New(t)
	repo.Delegate(tufrepotest.Delegation{From: "targets", To: "A"})
	repo.AddTarget("A", "manifest.json", []byte("content"))
	repo.Publish("A", "targets", "snapshot", "timestamp")
	r := mustOpen(t, repo, tufrepo.Options{})
	if _, err := r.Target(t.Context(), "manifest.json"); !errors.Is(err, tufrepo.ErrNoTarget) {
		t.Errorf("%v, want no such target", err)
	}
	r = mustOpen(t, repo, tufrepo.Options{Delegations: tufrepo.AllowDelegations})
	target, err := r.Target(t.Context(), "manifest.json")
	if err != nil || target.Role != "A" {
		t.Errorf("%+v, %v", target, err)
	}
}

// Delegated roles are held to what the snapshot says of them, and one key that
// signs twice is still one.
func TestDelegatedRolesAreChecked(t *testing.T) {
	for name, test := range map[string]struct {
		kind   error
		change func(repo *tufrepotest.Repo)
	}{
		"altered": {tufrepo.ErrLength, func(repo *tufrepotest.Repo) {
			repo.Put("metadata/1.A.json", append(repo.Get("metadata/1.A.json"), ' '))
		}},
		"another version": {tufrepo.ErrVersion, func(repo *tufrepotest.Repo) {
			repo.Hashes = false
			repo.Republish("A")
			repo.Publish("snapshot", "timestamp")
			repo.Roles["A"]["version"] = 7
			repo.Put("metadata/1.A.json", repo.Sign("A"))
		}},
		"one key twice": {tufrepo.ErrThreshold, func(repo *tufrepotest.Repo) {
			key := *repo.Signers["A"][0]
			key.ID = "alias"
			delegations := repo.Roles["targets"]["delegations"].(object)
			delegations["keys"].(object)["alias"] = key.Public
			role := delegations["roles"].([]any)[0].(object)
			role["keyids"], role["threshold"] = append(role["keyids"].([]any), "alias"), 2
			repo.Signers["A"] = append(repo.Signers["A"], &key)
			repo.Publish("A", "targets", "snapshot", "timestamp")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			repo := tufrepotest.New(t)
			repo.Hashes = true
			repo.Delegate(tufrepotest.Delegation{From: "targets", To: "A"})
			repo.Publish("A", "targets", "snapshot", "timestamp")
			test.change(repo)
			r := mustOpen(t, repo, tufrepo.Options{Delegations: tufrepo.AllowDelegations})
			if _, err := r.Target(t.Context(), "file"); !errors.Is(err, test.kind) {
				t.Errorf("%v, want %v", err, test.kind)
			}
		})
	}
}

func TestTooManyDelegations(t *testing.T) {
	repo := tufrepotest.New(t)
	from := "targets"
	var roles []string
	for i := range 40 {
		to := "r" + strings.Repeat("x", i)
		repo.Delegate(tufrepotest.Delegation{From: from, To: to})
		roles, from = append(roles, to), to
	}
	repo.Publish(roles...)
	repo.Publish("targets", "snapshot", "timestamp")
	r := mustOpen(t, repo, tufrepo.Options{Delegations: tufrepo.AllowDelegations})
	if _, err := r.Target(t.Context(), "file"); !errors.Is(err, tufrepo.ErrDelegation) {
		t.Errorf("%v, want too many delegations", err)
	}
}

func TestBins(t *testing.T) {
	repo := tufrepotest.New(t)
	key := repo.Key(tufrepotest.Ed25519)
	repo.Roles["targets"]["delegations"] = object{
		"keys":           object{key.ID: key.Public},
		"succinct_roles": object{"keyids": []any{key.ID}, "threshold": 1, "bit_length": 1, "name_prefix": "bin"},
	}
	for _, bin := range []string{"bin-0", "bin-1"} {
		repo.Roles[bin] = object{
			"_type": "targets", "spec_version": "1.0.31", "version": 0, "expires": tufrepotest.Far(), "targets": object{},
		}
		repo.Signers[bin] = []*tufrepotest.Key{key}
		repo.AddTarget(bin, "file-in-"+bin, []byte(bin))
		repo.AddTarget(bin, "file", []byte(bin))
	}
	repo.Publish("bin-0", "bin-1", "targets", "snapshot", "timestamp")
	r := mustOpen(t, repo, tufrepo.Options{Delegations: tufrepo.AllowDelegations})
	target, err := r.Target(t.Context(), "file")
	// sha256("file") begins with the bit 0: its first byte is 0x3b.
	if err != nil || target.Role != "bin-0" {
		t.Errorf("%+v, %v; want bin-0", target, err)
	}
}

func TestRepositoryWithoutConsistentSnapshots(t *testing.T) {
	repo := tufrepotest.New(t)
	repo.Roles["root"]["consistent_snapshot"] = false
	repo.AddTarget("targets", "file", []byte("content"))
	repo.Put("targets/file", []byte("content"))
	repo.Publish("root", "targets", "snapshot", "timestamp")
	r := mustOpen(t, repo, tufrepo.Options{})
	if err := r.Download(t.Context(), "file", t.TempDir()+"/file", tufrepo.DownloadOptions{}); err != nil {
		t.Error(err)
	}
	if err := r.Cache(t.Context(), t.TempDir(), t.TempDir(), "file"); err == nil {
		t.Error("such a repository cannot be kept safely")
	}
}
