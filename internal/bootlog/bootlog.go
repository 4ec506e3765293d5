// Package bootlog keeps the reports of the last boots, and of the migrations
// that some of them began with.
//
// Start with [Begin] and [Log.Save], which the booting programs use, and with
// [List] and [Read], which the API server uses. A report is a JSON file below
// the state folder, written durably when a boot begins and when it ends; in
// between, and where the disk is full, it is in a file below /run, to which
// each state is appended as one line. Readers take the newer one, and call a
// boot interrupted whose program is gone.
package bootlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/paths"
)

const (
	kept      = 20       // reports
	maxReport = 16 << 20 // bytes of a file; one in /run has all states of a boot
	extension = ".json"
)

// Log is the report of the running boot.
type Log struct {
	Report api.Boot

	root  paths.Root
	disk  durable.FS
	begun bool // what is in /run is of this boot
}

// Begin starts a report, numbered after the last one.
func Begin(root paths.Root, report api.Boot) *Log {
	l := &Log{Report: report, root: root, disk: durable.OS{}}
	l.Report.ID = lastID(root) + 1
	l.Report.State = api.BootRunning
	l.Report.PID = os.Getpid()
	return l
}

// lastID is the highest number in use, of a damaged report too; 0 without any.
func lastID(root paths.Root) uint64 {
	current, _ := read(root.Boot())
	all, err := ids(root)
	if err != nil || len(all) == 0 {
		return current.ID
	}
	return max(current.ID, all[len(all)-1])
}

// Continue goes on with the newest report if it is one of this boot and does
// not have this phase or a later one yet; otherwise it begins another.
func Continue(root paths.Root, report api.Boot, phase string) *Log {
	last, err := Last(root, "")
	if err != nil || last.BootID != report.BootID || !before(last, phase) {
		return Begin(root, report)
	}
	last.State, last.PID = api.BootRunning, os.Getpid()
	return &Log{Report: last, root: root, disk: durable.OS{}, begun: true}
}

// order is that of the phases.
var order = []string{api.PhaseUserData, api.PhaseCommit, api.PhaseGenerators, api.PhaseApply}

// before tells whether a phase comes after all that a report has. Commits may
// come more than once.
func before(report api.Boot, phase string) bool {
	at := slices.Index(order, phase)
	return !slices.ContainsFunc(report.Phases, func(p api.BootPhase) bool {
		have := slices.Index(order, p.Name)
		return have > at || have == at && phase != api.PhaseCommit
	})
}

// Save writes the report: to /run always, and durably where asked. What cannot
// be written at one place is still at the other; the error names what failed.
func (l *Log) Save(durably bool) error {
	text, err := json.Marshal(l.Report)
	if err != nil {
		return fmt.Errorf("write boot report: %w", err)
	}
	err = l.write(l.root.Boot(), append(text, '\n'))
	if durably {
		err = errors.Join(err, l.keep(text))
	}
	if err != nil {
		return fmt.Errorf("write boot report: %w", err)
	}
	return nil
}

// write adds a line to the file in /run, which needs to survive programs only.
// The first one of a boot replaces the file.
func (l *Log) write(path string, line []byte) error {
	if l.begun && appendLine(path, line) == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	draft := path + ".new"
	if err := os.WriteFile(draft, line, 0o600); err != nil {
		return errors.Join(err, os.Remove(draft))
	}
	err := os.Rename(draft, path)
	l.begun = err == nil
	return err
}

// appendLine fails, leaving half a line at most, where there is no file or no space.
func appendLine(path string, line []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(line)
	return errors.Join(err, f.Close())
}

func (l *Log) keep(text []byte) error {
	path := filepath.Join(l.root.Boots(), strconv.FormatUint(l.Report.ID, 10)+extension)
	if err := durable.WriteFile(l.disk, path, text, durable.Attributes{Mode: 0o600, UID: durable.Keep, GID: durable.Keep}); err != nil {
		return err
	}
	ids, err := ids(l.root)
	if err != nil || len(ids) <= kept {
		return err
	}
	for _, id := range ids[:len(ids)-kept] {
		err = errors.Join(err, durable.Remove(l.disk, filepath.Join(l.root.Boots(), strconv.FormatUint(id, 10)+extension)))
	}
	return err
}

// ids are the numbers of the reports in the state folder, ascending.
func ids(root paths.Root) ([]uint64, error) {
	entries, err := os.ReadDir(root.Boots())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var ids []uint64
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), extension)
		if id, err := strconv.ParseUint(name, 10, 64); ok && err == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// Last returns the newest report; fs.ErrNotExist if there is none.
func Last(root paths.Root, bootID string) (api.Boot, error) {
	current, ok := read(root.Boot())
	id := lastID(root)
	if !ok || id > current.ID {
		current, ok = read(filepath.Join(root.Boots(), strconv.FormatUint(id, 10)+extension))
	}
	if !ok {
		return api.Boot{}, fs.ErrNotExist
	}
	return settle(current, bootID), nil
}

// List returns all reports, newest first. bootID is the kernel's of this boot.
// A report that cannot be read is left out.
func List(root paths.Root, bootID string) ([]api.Boot, error) {
	ids, err := ids(root)
	current, haveCurrent := read(root.Boot())
	if err != nil && !haveCurrent {
		return nil, fmt.Errorf("list boot reports: %w", err)
	}
	if haveCurrent && !slices.Contains(ids, current.ID) {
		ids = append(ids, current.ID)
		slices.Sort(ids)
	}
	boots := []api.Boot{}
	for _, id := range slices.Backward(ids) {
		report, ok := current, true
		if !haveCurrent || id != current.ID {
			report, ok = read(filepath.Join(root.Boots(), strconv.FormatUint(id, 10)+extension))
		}
		if ok {
			boots = append(boots, settle(report, bootID))
		}
	}
	return boots, nil
}

// Read returns one report; fs.ErrNotExist if there is none of that number.
func Read(root paths.Root, bootID string, id uint64) (api.Boot, error) {
	all, err := List(root, bootID)
	if err != nil {
		return api.Boot{}, err
	}
	i := slices.IndexFunc(all, func(b api.Boot) bool { return b.ID == id })
	if i < 0 {
		return api.Boot{}, fs.ErrNotExist
	}
	return all[i], nil
}

func read(path string) (api.Boot, bool) {
	text, err := durable.ReadFile(path, maxReport)
	if err != nil {
		return api.Boot{}, false
	}
	var report api.Boot
	return report, json.Unmarshal(lastLine(text), &report) == nil && report.ID > 0
}

// lastLine is the last whole line: what follows it was cut off by a crash.
func lastLine(text []byte) []byte {
	if end := bytes.LastIndexByte(text, '\n'); end >= 0 {
		text = text[:end]
	}
	return text[bytes.LastIndexByte(text, '\n')+1:]
}

// settle calls interrupted what claims to run, but does not.
func settle(report api.Boot, bootID string) api.Boot {
	if report.State != api.BootRunning || bootID == "" || report.BootID == bootID && alive(report.PID) {
		return report
	}
	report.State = api.BootInterrupted
	for i := range report.Phases {
		if report.Phases[i].State == api.BootRunning {
			report.Phases[i].State = api.BootInterrupted
		}
	}
	return report
}

func alive(pid int) bool {
	_, err := os.Stat("/proc/" + strconv.Itoa(pid))
	return err == nil
}
