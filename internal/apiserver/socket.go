package apiserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/api"
)

// maxSocketPath is how long a path may be in a sockaddr_un, its closing zero not counted.
const maxSocketPath = 107

// A listener is the API's socket. release removes it if it was made here.
type listener struct {
	net.Listener
	path string // "": from systemd, which keeps it
	made os.FileInfo
}

// Addr names the socket as people know it: it may have been bound by another path.
func (l *listener) Addr() net.Addr {
	if l.path == "" {
		return l.Listener.Addr()
	}
	return &net.UnixAddr{Name: l.path, Net: "unix"}
}

// release removes the socket's file unless another server's stands there by now.
func (l *listener) release() error {
	if l.path == "" {
		return nil
	}
	now, err := os.Lstat(l.path)
	if err != nil || !os.SameFile(now, l.made) {
		return nil
	}
	return os.Remove(l.path)
}

// activated tells whether systemd passed sockets to this process.
func activated() bool {
	return os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getpid())
}

// refuseSecond fails if a live server answers at the socket's path.
func refuseSecond(o options) error {
	if activated() {
		return nil
	}
	dir, name, err := openDir(o.socket)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("find socket: %w", err)
	}
	defer dir.Close()
	c, err := net.DialTimeout("unix", short(dir, name), time.Second)
	if err != nil {
		return nil // nobody answers; what stands there is judged when it is replaced
	}
	c.Close()
	return &api.Error{
		Code:    api.CodeConflict,
		Message: "another server answers at " + o.socket,
		Hint:    "stop it first, or choose another --socket-path",
	}
}

// listen takes the socket that systemd passed, or makes one.
func (p *program) listen() (*listener, error) {
	if activated() {
		return inherit()
	}
	if err := os.MkdirAll(filepath.Dir(p.socket), 0o755); err != nil {
		return nil, fmt.Errorf("make socket: %w", err)
	}
	l, err := bind(p.socket, p.socketMode, p.socketGID)
	if err != nil {
		return nil, fmt.Errorf("make socket %s: %w", p.socket, err)
	}
	return l, nil
}

func inherit() (*listener, error) {
	listeners, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("take sockets from systemd: %w", err)
	}
	if len(listeners) != 1 || listeners[0] == nil {
		return nil, fmt.Errorf("take sockets from systemd: %d passed, 1 stream socket expected", len(listeners))
	}
	return &listener{Listener: listeners[0]}, nil
}

// bind makes a socket that appears at path complete: it is bound beside it,
// for nobody but its owner, given its group and mode, and renamed. That also
// replaces a stale one without a moment in which there is none.
func bind(path string, mode os.FileMode, gid int) (*listener, error) {
	dir, name, err := openDir(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	if err := refuseOther(dir, name); err != nil {
		return nil, err
	}
	draft := fmt.Sprintf(".%s.%d", name, os.Getpid())
	_ = unix.Unlinkat(int(dir.Fd()), draft, 0) // of a process that had this number and crashed
	l, err := listenPrivately(short(dir, draft))
	if err != nil {
		return nil, err
	}
	made, err := place(dir, draft, name, mode, gid)
	if err != nil {
		return nil, errors.Join(err, l.Close(), unix.Unlinkat(int(dir.Fd()), draft, 0))
	}
	return &listener{l, path, made}, nil
}

// refuseOther protects what is no socket.
func refuseOther(dir *os.File, name string) error {
	var stat unix.Stat_t
	err := unix.Fstatat(int(dir.Fd()), name, &stat, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case stat.Mode&unix.S_IFMT != unix.S_IFSOCK:
		return errors.New("something that is no socket is in the way; remove it or choose another --socket-path")
	}
	return nil
}

// listenPrivately binds a socket with mode 0600: the mode of an unbound
// socket's inode is what its file gets, so no umask needs to change.
func listenPrivately(path string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), 0o600) })
		return errors.Join(err, failed)
	}}
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // it is renamed; release removes it
	return l, nil
}

func place(dir *os.File, draft, name string, mode os.FileMode, gid int) (os.FileInfo, error) {
	path := short(dir, draft)
	if gid >= 0 {
		if err := os.Lchown(path, -1, gid); err != nil {
			return nil, err
		}
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, err
	}
	if err := unix.Renameat(int(dir.Fd()), draft, int(dir.Fd()), name); err != nil {
		return nil, err
	}
	return os.Lstat(short(dir, name))
}

// openDir opens the folder of a path, so that names in it are short however long the path is.
func openDir(path string) (*os.File, string, error) {
	dir, err := os.OpenFile(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, "", err
	}
	name := filepath.Base(path)
	if len(short(dir, "."+name))+len(".4194304") > maxSocketPath {
		dir.Close()
		return nil, "", fmt.Errorf("the name %s is too long for a socket", name)
	}
	return dir, name, nil
}

// short is a path of name in dir that fits into a socket's address.
func short(dir *os.File, name string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), name)
}
