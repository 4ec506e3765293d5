package server

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
)

func TestRoles(t *testing.T) {
	access := Access{Owner: 500, Groups: []GroupGrant{{10, "watchers", api.RoleRead}, {20, "ops", api.RoleWrite}, {274, "api", api.RoleAdmin}}}
	tests := []struct {
		name string
		peer Peer
		want api.Role
		why  string
	}{
		{"root", Peer{Caller: api.Caller{UID: 0}}, api.RoleAdmin, "uid 0"},
		{"the server's own user", Peer{Caller: api.Caller{UID: 500, GID: 1}}, api.RoleAdmin, "uid 500 is the server's own"},
		{"primary group", Peer{Caller: api.Caller{UID: 1, GID: 274}}, api.RoleAdmin, "group api (274)"},
		{"supplementary group", Peer{Caller: api.Caller{UID: 1, GID: 1}, Groups: []uint32{2, 20}}, api.RoleWrite, "group ops (20)"},
		{"the strongest counts", Peer{Caller: api.Caller{UID: 1, GID: 10}, Groups: []uint32{10, 20}}, api.RoleWrite, "group ops (20)"},
		{"nobody", Peer{Caller: api.Caller{UID: 1, GID: 1}, Groups: []uint32{3}}, api.RoleNone, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, why := access.role(tt.peer)
			if got != tt.want || why != tt.why {
				t.Errorf("got %v because of %q, want %v because of %q", got, why, tt.want, tt.why)
			}
		})
	}
}

func TestDefaultAccess(t *testing.T) {
	access := DefaultAccess(500, 600)
	for gid, want := range map[uint32]api.Role{274: api.RoleAdmin, 600: api.RoleAdmin, 601: api.RoleNone} {
		if got, _ := access.role(Peer{Caller: api.Caller{UID: 1, GID: gid}}); got != want {
			t.Errorf("gid %d: role %v, want %v", gid, got, want)
		}
	}
}

func lookupFake(name string) (uint32, bool, error) {
	switch name {
	case "ops":
		return 20, true, nil
	case "broken":
		return 0, false, errors.New("out of files")
	}
	return 0, false, nil
}

func TestParseAccess(t *testing.T) {
	got, err := ParseAccess([]byte("[groups]\nops = \"write\"\n30 = \"read\"\nnone-such = \"admin\"\n"), 7, lookupFake)
	if err != nil {
		t.Fatal(err)
	}
	want := Access{Owner: 7, Groups: []GroupGrant{{20, "ops", api.RoleWrite}, {30, "30", api.RoleRead}}}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
}

func TestParseAccessRefuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"another role", "[groups]\nops = \"owner\"\n", "none of read, write, admin"},
		{"another table", "[groups]\nops = \"read\"\n[users]\nx = \"admin\"\n", "line 3, column 2: the only table is [groups]"},
		{"no TOML", "groups = [", "line 1"},
		{"a lookup that fails", "[groups]\nbroken = \"read\"\n", `group "broken": out of files`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseAccess([]byte(tt.text), 0, lookupFake)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestReadAccess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.toml")
	if _, err := ReadAccess(path, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	if err := os.WriteFile(path, []byte("[groups]\nroot = \"read\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	access, err := ReadAccess(path, 5)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(access, Access{5, []GroupGrant{{0, "root", api.RoleRead}}}); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
	if err := os.WriteFile(path, make([]byte, maxAccessFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadAccess(path, 5); err == nil {
		t.Error("an access file beyond the limit was read")
	}
}

func FuzzParseAccess(f *testing.F) {
	f.Add([]byte("[groups]\nops = \"write\"\n30 = \"read\"\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		access, err := ParseAccess(text, 1, lookupFake)
		if role, _ := access.role(Peer{Caller: api.Caller{UID: 9, GID: 9}}); err != nil && role != api.RoleNone {
			t.Errorf("a file that is refused gives role %v", role)
		}
	})
}

// TestPeerOf asks the kernel about a connection of this very process.
func TestPeerOf(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	got, err := PeerOf(accepted)
	if err != nil {
		t.Fatal(err)
	}
	want := api.Caller{UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), PID: int32(os.Getpid())}
	if diff := cmp.Diff(got.Caller, want); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Groups) != len(groups) {
		t.Errorf("groups %v, want %v", got.Groups, groups)
	}
	if _, err := PeerOf(pipe(t)); err == nil {
		t.Error("a pipe has credentials")
	}
}

func pipe(t *testing.T) net.Conn {
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close(); b.Close() })
	return a
}

// Whoever can write the file can make themselves an admin.
func TestReadAccessOfEverybody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.toml")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for mode, ok := range map[os.FileMode]bool{0o644: true, 0o664: true, 0o666: false, 0o602: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadAccess(path, 0); (err == nil) != ok {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
}
