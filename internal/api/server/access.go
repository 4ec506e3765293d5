package server

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"

	"github.com/pelletier/go-toml/v2"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/durable"
)

// GroupAPI is the gid of group "api" on every host of the reference.
const GroupAPI = 274

// maxAccessFile bounds the access file.
const maxAccessFile = 64 << 10

// Access gives roles to peers. Root is always admin.
type Access struct {
	Owner  uint32       // the server's own uid: admin too
	Groups []GroupGrant // the strongest that fits counts
}

// A GroupGrant gives a role to the members of a group.
type GroupGrant struct {
	GID  uint32
	Name string // as the access file calls it
	Role api.Role
}

// DefaultAccess is the reference's rule: whoever may open the socket, that is
// group "api" or the group the socket was given to, may do everything.
func DefaultAccess(owner uint32, socketGroups ...uint32) Access {
	a := Access{Owner: owner, Groups: []GroupGrant{{GroupAPI, "api", api.RoleAdmin}}}
	for _, gid := range socketGroups {
		if gid != GroupAPI {
			a.Groups = append(a.Groups, GroupGrant{gid, "of the socket", api.RoleAdmin})
		}
	}
	return a
}

// ReadAccess reads the access file at path: a TOML table [groups] of group
// names or gids and "read", "write" or "admin". The error is fs.ErrNotExist
// when there is none. A group that this host does not have grants nothing.
func ReadAccess(path string, owner uint32) (Access, error) {
	text, err := durable.ReadFile(path, maxAccessFile)
	if err != nil {
		return Access{}, fmt.Errorf("read access file: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return Access{}, fmt.Errorf("read access file: %w", err)
	}
	if info.Mode().Perm()&0o002 != 0 {
		return Access{}, fmt.Errorf("read access file: %s: everybody may write it, and so give themselves any role; chmod o-w %[1]s", path)
	}
	a, err := ParseAccess(text, owner, lookupGroup)
	if err != nil {
		return Access{}, fmt.Errorf("read access file: %s: %w", path, err)
	}
	return a, nil
}

// ParseAccess reads the text of an access file; lookup finds the gid of a
// group's name, or says that there is no such group.
func ParseAccess(text []byte, owner uint32, lookup func(name string) (uint32, bool, error)) (Access, error) {
	var file struct {
		Groups map[string]api.Role `toml:"groups"`
	}
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&file); err != nil {
		return Access{}, explainTOML(err)
	}
	a := Access{Owner: owner}
	for name, role := range file.Groups {
		gid, ok, err := groupID(name, lookup)
		if err != nil {
			return Access{}, fmt.Errorf("group %q: %w", name, err)
		}
		if ok {
			a.Groups = append(a.Groups, GroupGrant{gid, name, role})
		}
	}
	slices.SortFunc(a.Groups, func(x, y GroupGrant) int { return cmp.Compare(x.GID, y.GID) })
	return a, nil
}

func groupID(name string, lookup func(string) (uint32, bool, error)) (uint32, bool, error) {
	if gid, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(gid), true, nil
	}
	return lookup(name)
}

func lookupGroup(name string) (uint32, bool, error) {
	group, err := user.LookupGroup(name)
	if missing := user.UnknownGroupError(""); errors.As(err, &missing) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	gid, err := strconv.ParseUint(group.Gid, 10, 32)
	return uint32(gid), err == nil, err
}

// explainTOML puts the line and column before the decoder's message.
func explainTOML(err error) error {
	if e, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(e.Errors) > 0 {
		line, column := e.Errors[0].Position()
		return fmt.Errorf("line %d, column %d: the only table is [groups]", line, column)
	}
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := e.Position()
		return fmt.Errorf("line %d, column %d: %w", line, column, err)
	}
	return err
}

// role is what p may do, and why.
func (a Access) role(p Peer) (api.Role, string) {
	switch {
	case p.UID == 0:
		return api.RoleAdmin, "uid 0"
	case p.UID == a.Owner:
		return api.RoleAdmin, fmt.Sprintf("uid %d is the server's own", p.UID)
	}
	role, why := api.RoleNone, ""
	for _, g := range a.Groups {
		if g.Role > role && (g.GID == p.GID || slices.Contains(p.Groups, g.GID)) {
			role, why = g.Role, fmt.Sprintf("group %s (%d)", g.Name, g.GID)
		}
	}
	return role, why
}
