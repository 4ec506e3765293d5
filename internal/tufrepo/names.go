package tufrepo

import (
	"fmt"
	"path"
	"strings"
)

// quote writes a role or target name as one segment of an address or one file
// name: all but letters, digits and -._~ percent-encoded.
func quote(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// resolve is the name under which a target is fetched and stored: dots are
// followed as if the name were below a root, so that it cannot lead out.
func resolve(name string) (string, error) {
	bad := func(why string) (string, error) {
		return "", &Error{
			Kind: ErrName, What: "target " + printable(name), Text: why,
			Hint: "the publisher must give the target a plain relative name",
		}
	}
	clean := strings.TrimPrefix(path.Clean("/"+name), "/")
	switch {
	case name == "":
		return bad("it has no name")
	case strings.HasPrefix(name, "/"):
		return bad("its name is an absolute path")
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return bad("its name has control characters")
	case clean == "":
		return bad("its name leads to a folder, not to a file")
	}
	return clean, nil
}

// fileNames are where a target's file may lie below the targets' address, best
// first: the digest stands before the last part of the name, as specified, or
// before all of it, as the reference's tools have it.
func fileNames(name, digest string) []string {
	if digest == "" {
		return []string{name}
	}
	dir, base := path.Split(name)
	specified := dir + digest + "." + base
	if dir == "" {
		return []string{specified}
	}
	return []string{specified, digest + "." + name}
}
