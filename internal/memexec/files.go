package memexec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Files are a file system in memory, which a program sees in place of the
// host's. It is mounted nowhere: who has a file open to it has it, and it is
// gone with the last of these, whatever ends them.
//
// One is for one run. The caller closes it.
type Files struct {
	Bytes int64 // that fit in, each file rounded up to whole pages
	Count int64 // files and folders that fit in

	// Fill puts into the folder dir what the program will find in its root, before
	// it starts. Files must be readable by everybody; folders are made so. Where a
	// second try is needed, dir is another one.
	Fill func(dir string) error

	// Folders in the root: those that the program may read, and those in which it
	// may do everything but make links and special files. Fill makes them.
	Read, Write []string

	mount *os.File
}

// Dir is the path of the folder that the program sees as its root. It is valid
// for this process until Close, once the program was started.
func (f *Files) Dir() string { return "/proc/self/fd/" + strconv.Itoa(int(f.mount.Fd())) }

// Close lets go of the files.
func (f *Files) Close() error {
	if f.mount == nil {
		return nil
	}
	return f.mount.Close()
}

// fileOrders are what the stage is told about the files.
type fileOrders struct {
	Bytes int64    `json:"bytes"`
	Count int64    `json:"count"`
	Read  []string `json:"read"`
	Write []string `json:"write"`
}

func (f *Files) orders() *fileOrders {
	if f == nil {
		return nil
	}
	return &fileOrders{f.Bytes, f.Count, f.Read, f.Write}
}

// socketPair is how the stage hands over the file system that it has made, and
// waits until it was filled. Nobody but the stage can make one without being
// root: it has a user namespace.
func socketPair() (ours, stages *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make socket: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "files"), os.NewFile(uintptr(fds[1]), "files"), nil
}

// serve takes the file system from the stage, fills it and lets the stage go
// on. A stage that has failed hangs up, and says why elsewhere.
func (f *Files) serve(socket *os.File, root bool) error {
	fd, err := receive(int(socket.Fd()))
	if fd < 0 || err != nil {
		return err
	}
	_ = f.Close() // that of a try before
	f.mount = os.NewFile(uintptr(fd), "files")
	if err := f.Fill(f.Dir()); err != nil {
		return fmt.Errorf("fill files: %w", err)
	}
	if err := f.admit(root); err != nil {
		return fmt.Errorf("fill files: %w", err)
	}
	_, err = socket.Write([]byte{0})
	return err
}

// receive returns the file that was sent, -1 if the other end is closed.
func receive(socket int) (fd int, err error) {
	var data [1]byte
	control := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, data[:], control, unix.MSG_CMSG_CLOEXEC)
	if err != nil || n == 0 {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		return -1, errors.Join(errors.New("receive files: expected one message"), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, errors.Join(errors.New("receive files: expected one file"), err)
	}
	return fds[0], nil
}

// admit lets the program, which is another user if root starts it, into the
// folders, whatever the caller's mask is.
func (f *Files) admit(root bool) error {
	if !root {
		return nil
	}
	for _, name := range f.Write {
		if err := os.Chown(filepath.Join(f.Dir(), name), nobody, nobody); err != nil {
			return err
		}
	}
	return filepath.WalkDir(f.Dir()+"/", func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		return os.Chmod(path, 0o755)
	})
}
