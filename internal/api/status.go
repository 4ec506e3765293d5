package api

import (
	"fmt"
	"time"
)

// roleNames are the roles as the wire and people write them.
var roleNames = [...]string{RoleNone: "none", RoleRead: "read", RoleWrite: "write", RoleAdmin: "admin"}

func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return fmt.Sprintf("Role(%d)", uint8(r))
}

// MarshalText writes the role's name.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a role's name.
func (r *Role) UnmarshalText(text []byte) error {
	for i, name := range roleNames {
		if name == string(text) {
			*r = Role(i)
			return nil
		}
	}
	return fmt.Errorf("role %q is none of read, write, admin", text)
}

// Identity is the answer of GET /whoami: who the server takes its caller for.
type Identity struct {
	Caller
	Groups []uint32 `json:"groups"` // supplementary, sorted
	Role   Role     `json:"role"`
	Why    string   `json:"why,omitempty"` // what gave the role: "uid 0", "group api (274)"
}

// Health is the answer of GET /health.
type Health struct {
	Status   string    `json:"status"` // ok, or degraded with Problems
	Version  string    `json:"version"`
	Variant  string    `json:"variant"`
	Started  time.Time `json:"started"`
	Settings int       `json:"settings"`           // how many have a value
	Active   uint64    `json:"active,omitempty"`   // the change that is being applied
	Queued   int       `json:"queued,omitempty"`   // changes that wait for it
	Trying   []uint64  `json:"trying,omitempty"`   // changes that wait for a confirmation
	Problems []string  `json:"problems,omitempty"` // what needs somebody's attention
}
