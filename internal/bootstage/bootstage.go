package bootstage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/slot"
)

const name = "bootstage"

// lastWords is how long the console shows why nothing boots, before the machine reboots.
const lastWords = 30 * time.Second

// boot is one run of the program.
type boot struct {
	out    io.Writer
	params parameters // of the running kernel
	disk   *slot.Disk
}

// Run is a cli.Program, for a process that is the first. It does not return on
// success, and reboots the machine otherwise.
func Run(ctx context.Context, _ []string, s cli.Streams) int {
	if os.Getpid() != 1 {
		return cli.Report(s.Err, name, errors.New("it is the /init of an image's RAM disk, and nothing else; see docs/image.md"))
	}
	b := &boot{out: s.Out}
	b.say("%v; rebooting in %v", b.run(ctx), lastWords)
	time.Sleep(lastWords)
	unix.Sync()
	b.say("%v", unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART))
	return cli.ExitFailed
}

// say tells the console what happens.
func (b *boot) say(format string, args ...any) {
	fmt.Fprintf(b.out, name+": "+format+"\n", args...)
}

func (b *boot) run(ctx context.Context) error {
	for _, m := range [][2]string{{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}} {
		if err := mount(m[0], m[1], m[0], 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
			return err
		}
	}
	if err := b.loadModules(); err != nil {
		return err
	}
	line, err := durable.ReadFile("/proc/cmdline", maxParameters)
	if err != nil {
		return err
	}
	b.params = parseParameters(string(line))
	if b.disk, err = findDisk(ctx, b.params.get(disk)); err != nil {
		return err
	}
	b.mend(ctx)
	partitions, err := b.disk.Partitions(ctx)
	if err == nil {
		err = link(partitions)
	}
	if err != nil {
		return err
	}
	if text := b.params.get(slotName); text != "" {
		return b.resume(ctx, text)
	}
	return b.tryAll(ctx)
}

// mend repairs a partition table of which the power has left one copy, before a
// try is taken for a slot whose partitions the kernel does not know. What it
// cannot do need not be in the way.
func (b *boot) mend(ctx context.Context) {
	mended, err := b.disk.Mend(ctx)
	switch {
	case err != nil:
		b.say("%v", err)
	case mended:
		b.say("a damaged copy of the partition table of %s is repaired", b.disk.Path)
	}
}

// resume goes on with the slot whose kernel runs. If that does not succeed, the
// reboot takes the next one.
func (b *boot) resume(ctx context.Context, text string) error {
	name, err := slot.ParseName(text)
	if err != nil {
		return err
	}
	return b.try(ctx, name)
}

// tryAll starts the slot that is to boot or, if that does not succeed, the next one.
func (b *boot) tryAll(ctx context.Context) error {
	failed := map[slot.Name]bool{}
	for {
		chosen, err := choose(ctx, b.disk, failed)
		if err != nil {
			return err
		}
		b.say("slot %s boots from %s", chosen, b.disk.Path)
		b.say("slot %s does not boot: %v", chosen, b.try(ctx, chosen))
		failed[chosen] = true
	}
}

// try starts a slot. It returns only on an error.
func (b *boot) try(ctx context.Context, name slot.Name) error {
	sets, err := b.disk.Sets(ctx)
	if err != nil {
		return err
	}
	err = b.start(name, sets.Extents[name])
	if !errors.Is(err, errKexec) {
		return err
	}
	b.say("slot %s has its own kernel", name)
	unix.Sync()
	return fmt.Errorf("start the kernel of slot %s: %w", name, unix.Reboot(unix.LINUX_REBOOT_CMD_KEXEC))
}

// modulesDir holds kernel modules; a file in it lists them in the order in which they are loaded.
const (
	modulesDir   = "/modules"
	modulesOrder = "order"
	maxOrder     = 64 << 10
)

// loadModules loads the RAM disk's kernel modules. One that this machine has no
// use for does not stop the boot: what is missing shows later, by itself.
func (b *boot) loadModules() error {
	order, err := durable.ReadFile(filepath.Join(modulesDir, modulesOrder), maxOrder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for file := range strings.FieldsSeq(string(order)) {
		if err := loadModule(filepath.Join(modulesDir, file)); err != nil {
			b.say("load %s: %v", file, err)
		}
	}
	return nil
}

func loadModule(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}
