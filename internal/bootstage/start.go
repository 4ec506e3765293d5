package bootstage

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/slot"
	"github.com/hostler-os/hostler/internal/verity"
)

// bootDir is where a slot's boot partition is mounted meanwhile. It holds
// vmlinuz, initrd and cmdline, a line of kernel parameters.
const bootDir = "/boot"

// kernelSum is the hash of the kernel that the RAM disk was made for.
const kernelSum = "/kernel.sha256"

// maxKernel bounds what is read of a kernel, in bytes.
const maxKernel = 256 << 20

// start starts the slot with these partitions. It returns only on an error.
func (b *boot) start(name slot.Name, parts [3]slot.Extent) error {
	p, err := b.ready(name, parts[slot.BootPartition].Path)
	if err != nil {
		return err
	}
	hash, err := p.hash()
	if err != nil {
		return err
	}
	root, err := verity.Open("root-"+strings.ToLower(name.String()), parts[slot.RootPartition].Path, parts[slot.HashPartition].Path, hash)
	if err != nil {
		return err
	}
	return b.become(root)
}

// ready reads the slot's parameters and, if it needs to, starts its kernel.
func (b *boot) ready(name slot.Name, partition string) (p parameters, err error) {
	if err := mount(partition, bootDir, "ext4", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unix.Unmount(bootDir, 0)) }()
	line, err := durable.ReadFile(filepath.Join(bootDir, "cmdline"), maxParameters)
	if err != nil {
		return nil, err
	}
	p = parseParameters(string(line))
	if b.params.get(slotName) != "" {
		return p, nil // this is the slot's kernel
	}
	same, err := b.sameKernel(p)
	if err != nil || same {
		return p, err
	}
	return p, b.kexec(name, p)
}

// sameKernel tells whether the slot's kernel and parameters are those that run.
func (b *boot) sameKernel(p parameters) (bool, error) {
	if !b.params.covers(p) {
		return false, nil
	}
	own, err := os.ReadFile(kernelSum)
	if err != nil {
		return false, nil // the RAM disk does not know: the slot's kernel is started
	}
	sum, err := sumOf(filepath.Join(bootDir, "vmlinuz"))
	return sum == strings.TrimSpace(string(own)), err
}

func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(f, maxKernel))
	if err == nil && n == maxKernel {
		err = fmt.Errorf("%s: larger than %d bytes", path, maxKernel)
	}
	return hex.EncodeToString(sum.Sum(nil)), err
}

// kexec loads the slot's kernel. It is started by [boot.try] when nothing is mounted any more.
func (b *boot) kexec(name slot.Name, p parameters) error {
	kernel, err := os.Open(filepath.Join(bootDir, "vmlinuz"))
	if err != nil {
		return err
	}
	defer kernel.Close()
	initrd, err := os.Open(filepath.Join(bootDir, "initrd"))
	if err != nil {
		return err
	}
	defer initrd.Close()
	p = append(p, slotName+"="+name.String(), disk+"="+b.disk.Path)
	if err := unix.KexecFileLoad(int(kernel.Fd()), int(initrd.Fd()), p.String(), 0); err != nil {
		return fmt.Errorf("load the kernel of slot %s: %w", name, err)
	}
	return errKexec
}

// errKexec says that a kernel is loaded and waits to be started.
var errKexec = errors.New("the slot's kernel is loaded")

// etcRoom bounds the changes of /etc that a running system makes, in memory.
const etcRoom = "size=64m,mode=0755"

// become mounts the root device and runs its init in the place of this program.
func (b *boot) become(root string) error {
	const at = "/new"
	if err := mountRoot(root, at); err != nil {
		return err
	}
	if err := coverEtc(at + "/etc"); err != nil {
		return err
	}
	for _, dir := range []string{"/dev", "/proc", "/sys"} {
		if err := unix.Mount(dir, at+dir, "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("move %s: %w", dir, err)
		}
	}
	return b.switchTo(at)
}

// rootTypes are the file systems that a root may have.
var rootTypes = []string{"ext4", "erofs", "squashfs"}

func mountRoot(device, at string) error {
	var errs []error
	for _, kind := range rootTypes {
		err := mount(device, at, kind, unix.MS_RDONLY, "")
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// coverEtc makes /etc writable in memory: what the image brings shines through.
func coverEtc(etc string) error {
	if err := mount("tmpfs", "/over", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, etcRoom); err != nil {
		return err
	}
	for _, dir := range []string{"/over/upper", "/over/work"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	return mount("etc", etc, "overlay", unix.MS_NOSUID|unix.MS_NODEV, "lowerdir="+etc+",upperdir=/over/upper,workdir=/over/work")
}

// switchTo makes at the root and runs its init.
func (b *boot) switchTo(at string) error {
	init, err := filepath.EvalSymlinks(at + "/usr/lib/systemd/systemd")
	if err != nil {
		return err
	}
	// The RAM disk's memory is free for others then; what cannot be removed only costs it.
	_ = os.RemoveAll(modulesDir)
	if err := os.Chdir(at); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move the root: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("change the root: %w", err)
	}
	init = strings.TrimPrefix(init, at)
	return fmt.Errorf("run %s: %w", init, unix.Exec(init, []string{init}, []string{"TERM=linux"}))
}

// mount makes the folder and mounts, with an error that tells what.
func mount(what, where, kind string, flags uintptr, data string) error {
	if err := os.MkdirAll(where, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(what, where, kind, flags, data); err != nil {
		return fmt.Errorf("mount %s at %s as %s: %w", what, where, kind, err)
	}
	return nil
}
