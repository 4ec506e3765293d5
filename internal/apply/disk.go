package apply

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/paths"
)

const (
	// fileLimit is the largest file that is read from the disk, in bytes:
	// its former content must fit into the journal.
	fileLimit = 8 << 20

	// maxLinks is how many symbolic links in a path are followed.
	maxLinks = 16

	// usersLimit is the largest size of the files that name users and groups.
	usersLimit = 4 << 20
)

// content is a file, or its absence.
type content struct {
	Exists bool        `json:"exists"`
	Mode   fs.FileMode `json:"mode,omitempty"` // permissions, set-id and sticky bits
	UID    int         `json:"uid,omitempty"`
	GID    int         `json:"gid,omitempty"`
	Data   []byte      `json:"data,omitempty"`
}

func (c content) digest() string {
	sum := sha256.Sum256(c.Data)
	return hex.EncodeToString(sum[:])
}

// disk is the file system below a root.
type disk struct {
	root  paths.Root
	fs    durable.FS
	chown bool // owners can be set at all: we are root
}

func newDisk(root paths.Root, fsys durable.FS) disk {
	if fsys == nil {
		fsys = durable.OS{}
	}
	return disk{root, fsys, os.Geteuid() == 0}
}

// put makes the file at a resolved host path what c says, durably.
func (d disk) put(host string, c content) error {
	name := d.root.Join(host)
	if !c.Exists {
		return durable.Remove(d.fs, name)
	}
	a := durable.Attributes{Mode: c.Mode, UID: durable.Keep, GID: durable.Keep}
	if d.chown {
		a.UID, a.GID = c.UID, c.GID
	}
	return durable.WriteFile(d.fs, name, c.Data, a)
}

// resolve follows the symbolic links in a host path, inside the root: a file
// that is a link elsewhere is written there and the link stays, and no link
// leads out of the root. What does not exist yet is no link.
func (d disk) resolve(host string) (string, error) {
	done, rest := "/", strings.Split(path.Clean("/" + host)[1:], "/")
	for links := 0; len(rest) > 0; {
		next := path.Join(done, rest[0])
		if next == "/" { // the root itself may be a link, which leads where it should
			done, rest = next, rest[1:]
			continue
		}
		target, err := os.Readlink(d.root.Join(next))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return path.Join(next, path.Join(rest[1:]...)), nil
		case errors.Is(err, syscall.EINVAL): // it is no link
			done, rest = next, rest[1:]
			continue
		case errors.Is(err, syscall.ENOTDIR):
			return "", fmt.Errorf("%s is not a folder; move it away", done)
		case err != nil:
			return "", err
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%s: more than %d symbolic links", host, maxLinks)
		}
		if path.IsAbs(target) {
			done = "/"
		}
		rest = append(strings.Split(target, "/"), rest[1:]...)
	}
	return done, nil
}

// read returns the file at a resolved host path.
func (d disk) read(host string) (content, error) {
	info, err := os.Lstat(d.root.Join(host))
	if errors.Is(err, fs.ErrNotExist) {
		return content{}, nil
	}
	if err != nil {
		return content{}, err
	}
	if !info.Mode().IsRegular() {
		return content{}, fmt.Errorf("%s is not a regular file; move it away", host)
	}
	data, err := durable.ReadFile(d.root.Join(host), fileLimit)
	if err != nil {
		return content{}, err
	}
	c := content{Exists: true, Mode: modeBits(info.Mode()), Data: data}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		c.UID, c.GID = int(stat.Uid), int(stat.Gid)
	}
	return c, nil
}

func modeBits(m fs.FileMode) fs.FileMode {
	return m & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
}

// same tells whether nothing needs to be written to turn a into b.
func (d disk) same(a, b content) bool {
	return a.Exists == b.Exists && string(a.Data) == string(b.Data) && d.sameAttributes(a, b)
}

func (d disk) sameAttributes(a, b content) bool {
	return a.Mode == b.Mode && (!d.chown || a.UID == b.UID && a.GID == b.GID)
}

func formatMode(m fs.FileMode) string {
	n := uint64(m.Perm())
	for bit, flag := range map[uint64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if m&flag != 0 {
			n |= bit
		}
	}
	return fmt.Sprintf("%04o", n)
}

// owner reads "user:group", "user" or numbers by the root's own users and
// groups; nothing stands for root. Without the privilege to give files away
// they belong to whoever runs the suite, so nothing is looked up then.
func (d disk) owner(text string) (uid, gid int, err error) {
	if text == "" || !d.chown {
		return 0, 0, nil
	}
	user, group, grouped := strings.Cut(text, ":")
	uid, primary, err := d.lookUp("/etc/passwd", user)
	if err != nil || !grouped {
		return uid, primary, err
	}
	gid, _, err = d.lookUp("/etc/group", group)
	return uid, gid, err
}

// lookUp finds a name's number in a file of lines "name:x:number:next:…".
// A number stands for itself.
func (d disk) lookUp(file, name string) (number, next int, err error) {
	if n, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(n), int(n), nil
	}
	data, err := durable.ReadFile(d.root.Join(file), usersLimit)
	if err != nil {
		return 0, 0, fmt.Errorf("look up owner %s: %w", name, err)
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) < 4 || fields[0] != name {
			continue
		}
		number, err = strconv.Atoi(fields[2])
		next, _ = strconv.Atoi(fields[3])
		return number, next, err
	}
	return 0, 0, fmt.Errorf("look up owner %s: not in %s", name, file)
}
