package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

type kind struct{ up, down func(*data) }

var kinds = map[string]kind{
	"noop": {nothing, nothing},
	// The message of the day says which versions it came through.
	"motd": {func(d *data) { d.motd("", "+") }, func(d *data) { d.motd("+", "") }},
	// Settings that are new: the image brings them, the older one must not see them.
	"add": {nothing, func(d *data) { d.remove("settings.dns.search-list") }},
	// A setting that is gone.
	"remove": {func(d *data) { d.remove("settings.dns.search-list") }, nothing},
	"rename": {func(d *data) { d.rename("settings.old", "settings.motd") }, func(d *data) { d.rename("settings.motd", "settings.old") }},
	"weak":   {(*data).removeWeak, (*data).removeWeak},
	"metadata": {
		func(d *data) { d.setMetadata("settings.motd", "setting-generator", "new") },
		func(d *data) { delete(d.metadata["settings.motd"], "setting-generator") },
	},
	"remake1": remake("one", "two"),
	"remake2": remake("two", "three"),
	"break":   {func(d *data) { d.values["settings.ntp.time-servers"] = 5 }, nothing},
	"say": {func(d *data) {
		fmt.Println("motd is", d.values["settings.motd"])
		fmt.Fprintln(os.Stderr, "on", d.values["os.pretty_name"], d.values["os.version_id"])
	}, nothing},
}

func nothing(*data) {}

// remake is for a setting that is made from a template: if it was made from the
// old one, and is still what that makes, it becomes what the new one makes.
func remake(from, to string) kind {
	act := func(from, to string) func(*data) {
		return func(d *data) {
			all := d.metadata["settings.motd"]
			if all["setting-generator"] != "make "+from {
				return
			}
			all["setting-generator"] = "make " + to
			if d.values["settings.motd"] == from {
				d.values["settings.motd"] = to
			}
		}
	}
	return kind{act(from, to), act(to, from)}
}

func (d *data) motd(before, after string) {
	if text, ok := d.values["settings.motd"].(string); ok {
		d.values["settings.motd"] = strings.TrimSuffix(text, before) + after
	}
}

func (d *data) remove(k string) {
	if value, ok := d.values[k]; ok {
		fmt.Printf("Removed %s, which was set to '%v'\n", k, value)
		delete(d.values, k)
	}
}

func (d *data) rename(from, to string) {
	if value, ok := d.values[from]; ok {
		delete(d.values, from)
		d.values[to] = value
	}
}

func (d *data) removeWeak() {
	for k, all := range d.metadata {
		if all["strength"] == "weak" {
			delete(d.values, k)
			delete(all, "strength")
		}
	}
}

func (d *data) setMetadata(k, name string, value any) {
	if d.metadata[k] == nil {
		d.metadata[k] = map[string]any{}
	}
	d.metadata[k][name] = value
}

var sink [][]byte

// misdeeds come before anything is migrated.
var misdeeds = map[string]func(source, target string) error{
	"fail": func(string, string) error { return fmt.Errorf("it cannot be done") },
	"hang": func(string, string) error { time.Sleep(time.Hour); return nil },
	"eat": func(string, string) error {
		for {
			sink = append(sink, bytes.Repeat([]byte{1}, 16<<20))
		}
	},
	"nothing":  func(string, string) error { os.Exit(0); return nil },
	"flood":    func(string, string) error { return flood(os.Stdout) },
	"outside":  func(string, string) error { return os.WriteFile("/escaped", []byte("x"), 0o666) },
	"source":   func(source, _ string) error { return os.WriteFile(source+"/live/settings/motd", []byte(`"x"`), 0o666) },
	"up":       func(string, string) error { _, err := os.ReadFile("../../../../../../etc/passwd"); return err },
	"symlink":  func(_, target string) error { return os.Symlink("/etc", target+"-link") },
	"fifo":     func(_, target string) error { return syscall.Mkfifo(target+"-fifo", 0o666) },
	"device":   func(_, target string) error { return syscall.Mknod(target+"-device", syscall.S_IFCHR|0o666, 1<<8|3) },
	"execute":  func(string, string) error { return exec.Command("/proc/self/exe").Run() },
	"network":  func(string, string) error { _, err := net.Dial("tcp", "127.0.0.1:1"); return err },
	"mount":    func(_, target string) error { return syscall.Mount("none", "/target", "tmpfs", 0, "") },
	"chroot":   func(string, string) error { return syscall.Chroot("/tmp") },
	"hardlink": func(source, _ string) error { return os.Link(source+"/live/settings/motd", "/target/link") },
	"temp": func(string, string) error {
		f, err := os.CreateTemp("", "")
		if err != nil {
			return err
		}
		return os.Remove(f.Name())
	},
}

// afterthoughts come when all is written.
var afterthoughts = map[string]func(source, target string) error{
	"text": func(_, target string) error { return os.WriteFile(target+"/live/settings/motd", []byte("hi"), 0o666) },
	"latin": func(_, target string) error {
		return os.WriteFile(target+"/live/settings/motd", []byte("\"\xff\""), 0o666)
	},
	"junk":   func(_, target string) error { return os.WriteFile(target+"/live/settings/%zz", []byte("1"), 0o666) },
	"twice":  func(_, target string) error { return os.WriteFile(target+"/live/settings/mot%64", []byte("1"), 0o666) },
	"begin":  func(_, target string) error { put(target+"/pending/mine/settings/motd", "x"); return nil },
	"nolive": func(_, target string) error { return os.RemoveAll(target + "/live") },
	"replace": func(_, target string) error {
		return os.Rename(target+"/live/settings/motd", target+"/live/settings/old")
	},
	"large": func(_, target string) error {
		return os.WriteFile(target+"/live/settings/motd", bytes.Repeat([]byte("1"), 5<<20), 0o666)
	},
	"huge": func(_, target string) error {
		for i := range 1 << 20 {
			put(filepath.Join(target, "live/settings", fmt.Sprint("a", i)), 1)
		}
		return nil
	},
	"fill": func(_, target string) error {
		f, err := os.Create(target + "/live/settings/motd")
		if err != nil {
			return err
		}
		return flood(f)
	},
}

func flood(f *os.File) error {
	block := bytes.Repeat([]byte("1"), 1<<16)
	for {
		if _, err := f.Write(block); err != nil {
			return err
		}
	}
}
