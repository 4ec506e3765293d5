// Guest is what the tests run in the sandbox. Its argument says what it tries;
// what came of it is its answer.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

var (
	sink [][]byte
	sum  byte
)

var tries = map[string]func() error{
	"echo": func() error { _, err := io.Copy(os.Stdout, os.Stdin); return err },
	"environment": func() error {
		fmt.Print(len(os.Environ()), " ", strings.Join(os.Args, " "))
		return nil
	},
	"identity": identity,
	"read":     func() error { _, err := os.ReadFile("/etc/passwd"); return err },
	"list":     func() error { _, err := os.ReadDir("/"); return err },
	"write":    func() error { return os.WriteFile("/tmp/hostler-guest", nil, 0o600) },
	"remove":   func() error { return os.Remove("/tmp/hostler-guest-victim") },
	"self":     func() error { _, err := os.OpenFile("/proc/self/exe", os.O_RDWR, 0); return err },
	"files":    files,
	"tcp":      func() error { _, err := net.Dial("tcp", "127.0.0.1:1"); return err },
	"socket": func() error {
		_, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		return err
	},
	"execute": func() error { return exec.Command("/bin/true").Run() },
	"fork": func() error {
		_, _, e := syscall.RawSyscall(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0)
		return failed(e)
	},
	"unshare": func() error { return syscall.Unshare(syscall.CLONE_NEWUSER) },
	"mount":   func() error { return syscall.Mount("none", "/", "tmpfs", 0, "") },
	"ptrace":  func() error { return syscall.PtraceAttach(1) },
	"kill":    func() error { return syscall.Kill(-1, syscall.SIGTERM) },
	"root":    func() error { return syscall.Setuid(0) },
	"memory file": func() error {
		name := []byte("x\x00")
		const create = 319 // of amd64
		_, _, e := syscall.RawSyscall(create, uintptr(unsafe.Pointer(&name[0])), 0, 0)
		return failed(e)
	},
	"code": func() error {
		_, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_READ|syscall.PROT_EXEC, syscall.MAP_PRIVATE|syscall.MAP_ANON)
		return err
	},
	"shared": func() error {
		_, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_READ, syscall.MAP_SHARED|syscall.MAP_ANON)
		return err
	},
	// The kernel does not count what is mapped as a stack among the memory that is limited …
	"stack": func() error { return mapped(syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_GROWSDOWN) },
	// … nor pages of a pool that somebody set aside, if they are only read …
	"huge pages": func() error { return mapped(syscall.PROT_READ, syscall.MAP_HUGETLB) },
	// … nor the tables of pages that were only looked at: a page of its own for every two MiB.
	"tables": func() error {
		memory, err := syscall.Mmap(-1, 0, 1<<40, syscall.PROT_READ, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
		if err != nil {
			return err
		}
		for i := 0; i < 1<<38; i += 2 << 20 {
			sum += memory[i]
		}
		return nil
	},
	"eat": func() error {
		for {
			b := make([]byte, 16<<20)
			for i := range b {
				b[i] = 1
			}
			sink = append(sink, b)
		}
	},
	"spin": func() error {
		for {
		}
	},
	"hang":  func() error { time.Sleep(time.Hour); return nil },
	"flood": func() error { return flood(os.Stdout) },
	"rant":  func() error { return flood(os.Stderr) },
	// These are for files of its own: in is to be read, out to be written to.
	"copy": func() error {
		text, err := os.ReadFile("/in/a")
		if err != nil {
			return err
		}
		return errors.Join(os.MkdirAll("/out/b/c", 0o777), os.WriteFile("/out/b/c/d", text, 0o666), os.Rename("/out/b/c/d", "/out/b/d"), os.Remove("/out/b/c"))
	},
	"alter":   func() error { return os.WriteFile("/in/a", nil, 0o666) },
	"discard": func() error { return os.Remove("/in/a") },
	"add":     func() error { return os.WriteFile("/in/b", nil, 0o666) },
	"beside":  func() error { return os.WriteFile("/beside", nil, 0o666) },
	"mode":    func() error { return os.Chmod("/in/a", 0o777) },
	"symlink": func() error { return os.Symlink("/in/a", "/out/link") },
	"link":    func() error { return os.Link("/in/a", "/out/link") },
	"fifo":    func() error { return syscall.Mkfifo("/out/fifo", 0o666) },
	"device":  func() error { return syscall.Mknod("/out/device", syscall.S_IFCHR|0o666, 1<<8|3) },
	"stuff": func() error {
		f, err := os.Create("/out/large")
		if err != nil {
			return err
		}
		return flood(f)
	},
	"litter": func() error {
		for i := range 1 << 20 {
			if err := os.Mkdir(fmt.Sprint("/out/", i), 0o777); err != nil {
				return err
			}
		}
		return nil
	},
	"fail": func() error {
		fmt.Fprintln(os.Stderr, "the cause")
		os.Exit(3)
		return nil
	},
	"threads": threads,
}

func main() {
	try := tries[os.Args[1]]
	if len(os.Args) == 3 { // all that may be refused, in one run
		for _, name := range sortedTries(os.Args[2]) {
			fmt.Println(name+":", said(tries[name]()))
		}
		return
	}
	if err := try(); err != nil {
		fmt.Print(said(err))
	}
}

func sortedTries(list string) []string {
	names := strings.Split(list, ",")
	sort.Strings(names)
	return names
}

func said(err error) string {
	if err == nil {
		return "done"
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}

func mapped(protection, kind int) error {
	_, err := syscall.Mmap(-1, 0, 1<<28, protection, syscall.MAP_PRIVATE|syscall.MAP_ANON|kind)
	return err
}

func failed(e syscall.Errno) error {
	if e != 0 {
		return e
	}
	return nil
}

func identity() error {
	fmt.Print(syscall.Getuid(), " ", syscall.Getgid(), " ")
	var header struct {
		version uint32
		pid     int32
	}
	header.version = 0x20080522
	var data [6]uint32
	_, _, e := syscall.RawSyscall(syscall.SYS_CAPGET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])), 0)
	fmt.Print(data, " ")
	return failed(e)
}

// files lists what was inherited.
func files() error {
	for fd := range 64 {
		var s syscall.Stat_t
		if syscall.Fstat(fd, &s) == nil {
			fmt.Print(fd, " ")
		}
	}
	return nil
}

func flood(w io.Writer) error {
	block := bytes.Repeat([]byte("x"), 1<<16)
	for {
		if _, err := w.Write(block); err != nil {
			return err
		}
	}
}

// threads makes the runtime use many threads, and collect garbage.
func threads() error {
	var wg sync.WaitGroup
	for range 50 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			time.Sleep(time.Millisecond)
			_ = bytes.Repeat([]byte("y"), 1<<20)
		}()
	}
	wg.Wait()
	fmt.Print("done")
	return nil
}
