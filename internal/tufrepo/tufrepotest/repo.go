// Package tufrepotest makes signed repositories for tests, good ones and bad
// ones: metadata is plain maps, which a test alters as it likes before it
// publishes them, and published files are bytes, which it may replace.
//
// Start with [New]. A Repo serves itself over HTTP and notes what is asked for,
// or writes itself to a folder.
package tufrepotest

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Repo is a repository. Roles holds what the next Publish signs. None of it may
// be changed while a request is under way.
type Repo struct {
	URL string // of the server; below it are metadata/ and targets/

	Roles   map[string]map[string]any // role to its "signed"
	Signers map[string][]*Key
	Hashes  bool // list length and hashes of metadata

	// Form makes of the canonical form what is signed; nil: the form itself.
	Form func(canonical []byte) []byte

	mu    sync.Mutex
	files map[string][]byte
	asked []string
	t     testing.TB
}

// Far is a time at which published metadata expires unless a test says otherwise.
func Far() string { return Expires(time.Now().Add(30 * 24 * time.Hour)) }

// Expires writes a time as metadata has it.
func Expires(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

var topLevel = []string{"root", "timestamp", "snapshot", "targets"}

// New makes and publishes a repository without targets, one ed25519 key a role,
// every version 1.
func New(t testing.TB) *Repo {
	t.Helper()
	r := &Repo{
		Roles: map[string]map[string]any{}, Signers: map[string][]*Key{},
		files: map[string][]byte{}, t: t,
	}
	for _, role := range topLevel {
		r.Roles[role] = map[string]any{
			"_type": role, "spec_version": "1.0.31", "version": 0, "expires": Far(),
		}
	}
	root := r.Roles["root"]
	root["consistent_snapshot"], root["keys"], root["roles"] = true, map[string]any{}, map[string]any{}
	r.Roles["timestamp"]["meta"] = map[string]any{}
	r.Roles["snapshot"]["meta"] = map[string]any{}
	r.Roles["targets"]["targets"] = map[string]any{}
	for _, role := range topLevel {
		root["roles"].(map[string]any)[role] = map[string]any{"keyids": []any{}, "threshold": 1}
		r.AddKey(role, Ed25519)
	}
	r.Publish("targets", "snapshot", "timestamp", "root")
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.URL = server.URL
	return r
}

// Key makes a key.
func (r *Repo) Key(kind Kind) *Key {
	r.t.Helper()
	k, err := NewKey(kind)
	if err != nil {
		r.t.Fatal(err)
	}
	return k
}

// Role is what the root says of a top-level role: keyids and threshold.
func (r *Repo) Role(role string) map[string]any {
	return r.Roles["root"]["roles"].(map[string]any)[role].(map[string]any)
}

// AddKey gives a top-level role one more key, and signs with it from now on.
func (r *Repo) AddKey(role string, kind Kind) *Key {
	k := r.Key(kind)
	r.Trust(role, k)
	r.Signers[role] = append(r.Signers[role], k)
	return k
}

// Trust lets the root name a key for a role.
func (r *Repo) Trust(role string, k *Key) {
	r.Roles["root"]["keys"].(map[string]any)[k.ID] = k.Public
	of := r.Role(role)
	of["keyids"] = append(of["keyids"].([]any), k.ID)
}

// RotateKeys replaces a top-level role's keys by one new key.
func (r *Repo) RotateKeys(role string) {
	r.Role(role)["keyids"] = []any{}
	r.Signers[role] = nil
	r.AddKey(role, Ed25519)
}

// Version of what was published last.
func (r *Repo) Version(role string) int { return r.Roles[role]["version"].(int) }

// Publish signs roles in this order, each with the next version.
func (r *Repo) Publish(roles ...string) {
	for _, role := range roles {
		r.Roles[role]["version"] = r.Version(role) + 1
		r.Republish(role)
	}
}

// Republish signs roles with the versions they have.
func (r *Repo) Republish(roles ...string) {
	for _, role := range roles {
		raw := r.Sign(role)
		r.Put("metadata/"+r.FileName(role), raw)
		switch role {
		case "root", "timestamp":
		case "snapshot":
			r.announce("timestamp", role, raw)
		default:
			r.announce("snapshot", role, raw)
		}
	}
}

func (r *Repo) announce(in, role string, raw []byte) {
	meta := map[string]any{"version": r.Version(role)}
	if r.Hashes {
		meta["length"], meta["hashes"] = len(raw), hashes(raw)
	}
	r.Roles[in]["meta"].(map[string]any)[role+".json"] = meta
}

func hashes(data []byte) map[string]any {
	return map[string]any{"sha256": fmt.Sprintf("%x", sha256.Sum256(data))}
}

// FileName of a role's metadata as it stands.
func (r *Repo) FileName(role string) string {
	name := url.PathEscape(role) + ".json"
	if role == "timestamp" || role != "root" && r.Roles["root"]["consistent_snapshot"] != true {
		return name
	}
	return fmt.Sprintf("%d.%s", r.Version(role), name)
}

// Sign makes a role's metadata file. Every key signs once.
func (r *Repo) Sign(role string) []byte {
	r.t.Helper()
	message := Canonical(r.Roles[role])
	if r.Form != nil {
		message = r.Form(message)
	}
	signatures := []any{}
	for _, k := range r.Signers[role] {
		sig, err := k.sign(message)
		if err != nil {
			r.t.Fatal(err)
		}
		signatures = append(signatures, map[string]any{"keyid": k.ID, "sig": fmt.Sprintf("%x", sig)})
	}
	raw, err := json.MarshalIndent(map[string]any{"signed": r.Roles[role], "signatures": signatures}, "", " ")
	if err != nil {
		r.t.Fatal(err)
	}
	return raw
}

// AddTarget lets a role vouch for a target and serves it. The role is to be published after.
func (r *Repo) AddTarget(role, name string, data []byte) {
	r.Roles[role]["targets"].(map[string]any)[name] = map[string]any{"length": len(data), "hashes": hashes(data)}
	r.Put(TargetFile(name, data), data)
}

// TargetFile is where a consistent snapshot has a target.
func TargetFile(name string, data []byte) string {
	dir, base := path.Split(name)
	return fmt.Sprintf("targets/%s%x.%s", dir, sha256.Sum256(data), base)
}

// SHA512 of data, in hexadecimal.
func SHA512(data []byte) string { return fmt.Sprintf("%x", sha512.Sum512(data)) }

// Delegation is what a delegator says of a role.
type Delegation struct {
	From, To    string
	Paths       []string // none and no HashPrefixes: everything without a slash
	Prefixes    []string
	Terminating bool
}

// Delegate adds a delegation with a new key, and the role if it is new. Both are
// to be published after.
func (r *Repo) Delegate(d Delegation) *Key {
	k := r.Key(Ed25519)
	role := map[string]any{"name": d.To, "keyids": []any{k.ID}, "threshold": 1, "terminating": d.Terminating}
	switch {
	case d.Prefixes != nil:
		role["path_hash_prefixes"] = list(d.Prefixes)
	case d.Paths != nil:
		role["paths"] = list(d.Paths)
	default:
		role["paths"] = []any{"*"}
	}
	from := r.Roles[d.From]
	if from["delegations"] == nil {
		from["delegations"] = map[string]any{"keys": map[string]any{}, "roles": []any{}}
	}
	delegations := from["delegations"].(map[string]any)
	delegations["keys"].(map[string]any)[k.ID] = k.Public
	delegations["roles"] = append(delegations["roles"].([]any), role)
	if r.Roles[d.To] == nil {
		r.Roles[d.To] = map[string]any{
			"_type": "targets", "spec_version": "1.0.31", "version": 0, "expires": Far(), "targets": map[string]any{},
		}
	}
	r.Signers[d.To] = append(r.Signers[d.To], k)
	return k
}

func list(items []string) []any {
	l := []any{}
	for _, item := range items {
		l = append(l, item)
	}
	return l
}

// Save returns a function that makes everything as it is now, versions and keys included.
func (r *Repo) Save() (restore func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	files, signers, roles := maps.Clone(r.files), maps.Clone(r.Signers), clone(r.Roles)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.files, r.Signers, r.Roles = maps.Clone(files), maps.Clone(signers), clone(roles)
	}
}

func clone[T any](roles map[string]T) map[string]T {
	copied := map[string]T{}
	for name, value := range roles {
		copied[name] = deep(value).(T)
	}
	return copied
}

func deep(value any) any {
	switch v := value.(type) {
	case map[string]any:
		return clone(v)
	case []any:
		list := []any{}
		for _, item := range v {
			list = append(list, deep(item))
		}
		return list
	}
	return value
}

// Put serves data under a path such as metadata/timestamp.json; nil: no longer.
func (r *Repo) Put(path string, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if data == nil {
		delete(r.files, path)
		return
	}
	r.files[path] = data
}

// Get is what is served under a path.
func (r *Repo) Get(path string) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.files[path]
}

// Root is the first root, which hosts ship with.
func (r *Repo) Root() []byte { return r.Get("metadata/1.root.json") }

// Asked lists the paths that were asked for since the last call.
func (r *Repo) Asked() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := r.asked
	r.asked = nil
	return asked
}

// ServeHTTP serves the repository's files, ranges included.
func (r *Repo) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	name := strings.TrimPrefix(req.URL.EscapedPath(), "/")
	r.mu.Lock()
	r.asked = append(r.asked, name)
	data, ok := r.files[name]
	r.mu.Unlock()
	if !ok {
		http.NotFound(w, req)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(data)))
	http.ServeContent(w, req, "", time.Time{}, strings.NewReader(string(data)))
}

// WriteTo writes the repository below a folder.
func (r *Repo) WriteTo(dir string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, data := range r.files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(file, slices.Clone(data), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
}
