package service

import (
	"path"
	"slices"
	"strings"
)

// verb is what systemctl is asked to do, under the name of the D-Bus method
// (without "Unit") that does it.
type verb string

const (
	verbStart              verb = "Start"
	verbStop               verb = "Stop"
	verbRestart            verb = "Restart"
	verbTryRestart         verb = "TryRestart"
	verbReload             verb = "Reload"
	verbReloadOrRestart    verb = "ReloadOrRestart"
	verbReloadOrTryRestart verb = "ReloadOrTryRestart"
	verbEnable             verb = "EnableFiles"
	verbDisable            verb = "DisableFiles"
	verbDaemonReload       verb = "DaemonReload"
)

// verbs are the spellings that systemctl takes.
var verbs = map[string]verb{
	"start":                 verbStart,
	"stop":                  verbStop,
	"restart":               verbRestart,
	"try-restart":           verbTryRestart,
	"condrestart":           verbTryRestart,
	"reload":                verbReload,
	"reload-or-restart":     verbReloadOrRestart,
	"try-reload-or-restart": verbReloadOrTryRestart,
	"reload-or-try-restart": verbReloadOrTryRestart,
	"enable":                verbEnable,
	"disable":               verbDisable,
	"daemon-reload":         verbDaemonReload,
}

// try tells whether the verb leaves alone a unit that is not running.
func (v verb) try() bool { return v == verbTryRestart || v == verbReloadOrTryRestart }

// insist is the verb that does the same with a unit that is not running.
func (v verb) insist() verb {
	switch v {
	case verbTryRestart:
		return verbRestart
	case verbReloadOrTryRestart:
		return verbReloadOrRestart
	}
	return v
}

// runs tells whether the unit shall be running once the job is done.
func (v verb) runs() bool {
	return v == verbStart || v == verbRestart || v == verbReloadOrRestart
}

// ctl is a systemctl command that we understand.
type ctl struct {
	verb     verb
	units    []string
	noBlock  bool
	now      bool // with enable: start as well, with disable: stop
	noReload bool // with enable and disable
	undo     bool // see Command.Undo
}

// parseCtl reads a systemctl command in one of its usual forms. It answers
// false for every other command: unknown verbs and options, patterns, paths.
// Those are left to the program itself.
func parseCtl(line string) (ctl, bool) {
	args := strings.Split(line, " ")
	if path.Base(args[0]) != "systemctl" {
		return ctl{}, false
	}
	var c ctl
	var words []string
	for _, a := range args[1:] {
		switch a {
		case "--no-block":
			c.noBlock = true
		case "--now":
			c.now = true
		case "--no-reload":
			c.noReload = true
		case "-q", "--quiet", "--system", "--no-ask-password", "--no-pager":
		default:
			words = append(words, a)
		}
	}
	if len(words) == 0 {
		return ctl{}, false
	}
	c.verb, c.units = verbs[words[0]], words[1:]
	return c, c.known()
}

func (c *ctl) known() bool {
	files := c.verb == verbEnable || c.verb == verbDisable
	switch {
	case c.verb == "", (c.now || c.noReload) && !files:
		return false
	case c.verb == verbDaemonReload:
		return len(c.units) == 0
	case len(c.units) == 0:
		return false
	}
	for i, u := range c.units {
		if !plainUnit(u) {
			return false
		}
		c.units[i] = withSuffix(u)
	}
	return true
}

// plainUnit tells whether u is a unit's name as it stands: no option, path or
// pattern, nothing that systemctl would have to escape.
func plainUnit(u string) bool {
	return u != "" && len(u) < 256 && u[0] != '-' && !strings.ContainsFunc(u, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' ||
			strings.ContainsRune(`:-_.\@`, r))
	})
}

var suffixes = []string{
	".service", ".socket", ".target", ".device", ".mount", ".automount",
	".swap", ".timer", ".path", ".slice", ".scope",
}

func withSuffix(u string) string {
	if slices.Contains(suffixes, path.Ext(u)) {
		return u
	}
	return u + ".service"
}

// Restarts tells whether line does nothing but have systemd start, restart or
// reload units. Such a command needs to run only when something changed for
// those units; any other command must be taken at its word.
func Restarts(line string) bool {
	c, ok := parseCtl(line)
	return ok && (c.verb.runs() || c.verb.try() || c.verb == verbReload)
}
