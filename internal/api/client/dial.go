package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/paths"
)

const (
	dialLimit = 10 * time.Second
	// maxSunPath is the longest path that fits a socket address, in bytes.
	maxSunPath = len(unix.RawSockaddrUnix{}.Path) - 1
)

// ConnectError says that nobody answers at the socket. It is an *[api.Error]
// with code unavailable or forbidden too, whose hint is an instruction.
type ConnectError struct {
	Socket string // path
	Err    error  // the system's error
	api    *api.Error
}

func (e *ConnectError) Error() string   { return fmt.Sprintf("connect to %s: %v", e.Socket, e.Err) }
func (e *ConnectError) Unwrap() []error { return []error{e.api, e.Err} }

func dial(ctx context.Context, socket string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	conn, err := dialAnyLength(ctx, socket)
	if err != nil {
		return nil, connectError(socket, err)
	}
	return conn, nil
}

// dialAnyLength reaches sockets whose path is too long for a socket address
// through a descriptor of the socket, which has a short name in /proc.
func dialAnyLength(ctx context.Context, socket string) (net.Conn, error) {
	var d net.Dialer
	if len(socket) <= maxSunPath {
		return d.DialContext(ctx, "unix", socket)
	}
	fd, err := unix.Open(socket, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return d.DialContext(ctx, "unix", "/proc/self/fd/"+strconv.Itoa(fd))
}

func connectError(socket string, err error) *ConnectError {
	cause := err
	if errno := unix.Errno(0); errors.As(err, &errno) {
		cause = errno
	}
	e := &ConnectError{Socket: socket, Err: cause, api: &api.Error{Code: api.CodeUnavailable}}
	switch {
	case errors.Is(cause, unix.ENOENT), errors.Is(cause, unix.ENOTDIR):
		e.api.Hint = "is apiserver running? there is no socket " + socket +
			"; start it with `" + startCommand(socket) + "`, or say where it is with --root or --socket-path"
	case errors.Is(cause, unix.ECONNREFUSED):
		e.api.Hint = "is apiserver running? nobody listens on " + socket + "; start it with `" + startCommand(socket) + "`"
	case errors.Is(cause, unix.EACCES), errors.Is(cause, unix.EPERM):
		e.api.Code = api.CodeForbidden
		e.api.Hint = permissionHint(socket)
	default:
		e.api.Hint = "is apiserver running? its log is shown by `journalctl -u apiserver`"
	}
	e.api.Message = e.Error()
	return e
}

// startCommand starts the server of the host, or of the sandbox whose socket this is.
func startCommand(socket string) string {
	if root, ok := strings.CutSuffix(socket, paths.Host.Socket()); ok && root != "" {
		return "apiserver --root " + root
	}
	return "systemctl start apiserver"
}

func permissionHint(socket string) string {
	who := fmt.Sprintf("permission: you are uid %d", os.Getuid())
	var st unix.Stat_t
	if err := unix.Stat(socket, &st); err != nil {
		return who + ", who may not even look at " + socket + "; run this as root"
	}
	return fmt.Sprintf("%s, the socket belongs to group %s; run this as root or as a member of that group",
		who, groupName(st.Gid))
}

func groupName(gid uint32) string {
	id := strconv.FormatUint(uint64(gid), 10)
	if g, err := user.LookupGroupId(id); err == nil {
		return fmt.Sprintf("%s (gid %s)", g.Name, id)
	}
	return id
}
