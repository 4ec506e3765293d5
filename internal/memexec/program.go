package memexec

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// ErrTooLarge is returned by Load for an executable that is larger than its caller expects.
var ErrTooLarge = errors.New("executable is too large")

// Program is an executable in sealed memory.
type Program struct {
	name string
	file *os.File
}

// seals: nobody writes it, makes it longer or shorter, or takes this back.
const seals = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL

// Load copies an executable of at most limit bytes into memory and seals it.
// The name is for messages. The caller closes the program.
func Load(name string, r io.Reader, limit int64) (*Program, error) {
	f, seal, err := create()
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", name, err)
	}
	p := &Program{name, f}
	if err := p.fill(r, limit, seal); err != nil {
		return nil, fmt.Errorf("load %s: %w", name, errors.Join(err, f.Close()))
	}
	return p, nil
}

// create makes a memory file that may be executed. Kernels before 6.3 do not
// know MFD_EXEC, and later ones may be set up to want it (vm.memfd_noexec).
func create() (f *os.File, seal int, err error) {
	const name, flags = "hostler-program", unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_EXEC)
	if err == nil {
		return os.NewFile(uintptr(fd), name), seals | unix.F_SEAL_EXEC, nil
	}
	if !errors.Is(err, unix.EINVAL) {
		return nil, 0, fmt.Errorf("make executable memory (see sysctl vm.memfd_noexec): %w", err)
	}
	if fd, err = unix.MemfdCreate(name, flags); err != nil {
		return nil, 0, fmt.Errorf("make memory file: %w", err)
	}
	return os.NewFile(uintptr(fd), name), seals, nil
}

func (p *Program) fill(r io.Reader, limit int64, seal int) error {
	_, err := io.Copy(&bounded{p.file, limit}, r)
	if errors.Is(err, ErrTooLarge) {
		return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	if err != nil {
		return err
	}
	if err := p.file.Chmod(0o555); err != nil {
		return err
	}
	if _, err := unix.FcntlInt(p.file.Fd(), unix.F_ADD_SEALS, seal); err != nil {
		return fmt.Errorf("seal memory: %w", err)
	}
	return nil
}

// bounded takes no more than so many bytes. It is no more than a writer, so that
// a reader that can write in larger pieces than io.Copy would does so.
type bounded struct {
	file *os.File
	left int64
}

func (b *bounded) Write(data []byte) (int, error) {
	if b.left -= int64(len(data)); b.left < 0 {
		return 0, ErrTooLarge
	}
	return b.file.Write(data)
}

// Name is what the program was loaded as.
func (p *Program) Name() string { return p.name }

// Close gives the memory back, once no process runs the program.
func (p *Program) Close() error { return p.file.Close() }

// Mentions tells whether all of the texts are among the executable's constants,
// which is where compilers put texts. Looking there alone takes a tenth of the time.
func (p *Program) Mentions(texts ...string) (bool, error) {
	begin, size, err := p.constants()
	if err != nil || size == 0 {
		return false, err
	}
	extra := begin % int64(os.Getpagesize())
	memory, err := unix.Mmap(int(p.file.Fd()), begin-extra, int(size+extra), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return false, fmt.Errorf("look into %s: %w", p.name, err)
	}
	defer func() { _ = unix.Munmap(memory) }()
	for _, text := range texts {
		if !bytes.Contains(memory[extra:], []byte(text)) {
			return false, nil
		}
	}
	return true, nil
}

// constants are where the part of an executable of that name is, all of it if it
// names no parts.
func (p *Program) constants() (begin, size int64, err error) {
	info, err := p.file.Stat()
	if err != nil {
		return 0, 0, err
	}
	f, err := elf.NewFile(p.file)
	if err != nil {
		return 0, info.Size(), nil // it will not run; that is told when it is started
	}
	s := f.Section(".rodata")
	if s == nil || s.Offset > uint64(info.Size()) || s.FileSize > uint64(info.Size())-s.Offset {
		return 0, info.Size(), nil
	}
	return int64(s.Offset), int64(s.FileSize), nil
}
