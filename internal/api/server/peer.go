package server

import (
	"fmt"
	"net"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/api"
)

// A Peer is the process at the other end of a connection, as the kernel saw it when it connected.
type Peer struct {
	api.Caller
	Groups []uint32 // supplementary groups, sorted
}

// maxGroups is the kernel's NGROUPS_MAX.
const maxGroups = 65536

// PeerOf asks the kernel who connected. It fails for anything but a Unix socket.
func PeerOf(c net.Conn) (Peer, error) {
	conn, ok := c.(syscall.Conn)
	if !ok {
		return Peer{}, fmt.Errorf("read peer credentials: %T is no socket", c)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return Peer{}, fmt.Errorf("read peer credentials: %w", err)
	}
	var peer Peer
	var failure error
	if err := raw.Control(func(fd uintptr) { peer, failure = peerOf(int(fd)) }); err != nil {
		return Peer{}, fmt.Errorf("read peer credentials: %w", err)
	}
	if failure != nil {
		return Peer{}, fmt.Errorf("read peer credentials: %w", failure)
	}
	return peer, nil
}

func peerOf(fd int) (Peer, error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Peer{}, err
	}
	groups, err := peerGroups(fd)
	if err != nil {
		return Peer{}, err
	}
	slices.Sort(groups)
	return Peer{Caller: api.Caller{UID: cred.Uid, GID: cred.Gid, PID: cred.Pid}, Groups: groups}, nil
}

// peerGroups reads SO_PEERGROUPS, whose answer has no fixed length: the kernel
// says ERANGE and how much room it needs. x/sys has no wrapper for it.
func peerGroups(fd int) ([]uint32, error) {
	for n := uint32(64); n <= maxGroups; {
		groups := make([]uint32, n)
		size := n * 4
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == 0:
			return groups[:size/4], nil
		case errno == unix.ERANGE && size/4 > n:
			n = size / 4
		case errno == unix.ENOPROTOOPT: // older than Linux 4.13
			return nil, nil
		default:
			return nil, errno
		}
	}
	return nil, unix.ERANGE
}
