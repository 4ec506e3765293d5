package publish

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hostler-os/hostler/internal/durable"
)

// Unused lists what may be removed from a repository: metadata that newer one
// replaced before a time, then targets that none of the remaining metadata names
// and that were written before it. So a client that began at that time or later
// finds all that it was promised. Anything that cannot be read or understood is an
// error: better too much is kept than too little.
func Unused(folders []string, targets string, before time.Time) ([]OldFile, error) {
	var unused []OldFile
	named := map[string]bool{}
	for _, folder := range folders {
		old, err := unusedMetadata(folder, before, named)
		if err != nil {
			return nil, fmt.Errorf("look for unused files in %s: %w", folder, err)
		}
		unused = append(unused, old...)
	}
	old, err := olderThan(targets, before, func(name string) bool {
		return targetPattern.MatchString(name) && !named[name]
	})
	return append(unused, old...), err
}

// OldFile is one of these.
type OldFile struct {
	Path string
	Size int64 // bytes
}

var (
	targetPattern    = regexp.MustCompile(`^[0-9a-f]{64}\.`)
	versionedPattern = regexp.MustCompile(`^([0-9]{1,18})\.(snapshot|targets)\.json$`)
	targetsPattern   = regexp.MustCompile(`^([0-9]+\.)?targets\.json$`)
)

// unusedMetadata notes what targets the metadata names that stays.
func unusedMetadata(folder string, before time.Time, named map[string]bool) ([]OldFile, error) {
	current, err := inUse(folder)
	if err != nil {
		return nil, err
	}
	var old []OldFile
	for _, role := range []string{SnapshotRole, TargetsRole} {
		replaced, err := replacedMetadata(folder, role, before)
		if err != nil {
			return nil, err
		}
		old = append(old, replaced...)
	}
	old = slices.DeleteFunc(old, func(f OldFile) bool { return slices.Contains(current, filepath.Base(f.Path)) })
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		goes := slices.ContainsFunc(old, func(f OldFile) bool { return f.Path == path })
		if goes || !targetsPattern.MatchString(e.Name()) {
			continue
		}
		if err := noteTargets(path, named); err != nil {
			return nil, err
		}
	}
	return old, nil
}

// replacedMetadata lists the files of a role whose successor is older than a time.
func replacedMetadata(folder, role string, before time.Time) (replaced []OldFile, err error) {
	type version struct {
		OldFile
		number  int64
		written time.Time
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var all []version
	for _, e := range entries {
		m := versionedPattern.FindStringSubmatch(e.Name())
		if m == nil || m[2] != role || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		number, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			return nil, err
		}
		all = append(all, version{OldFile{filepath.Join(folder, e.Name()), info.Size()}, number, info.ModTime()})
	}
	slices.SortFunc(all, func(a, b version) int { return cmp.Compare(a.number, b.number) })
	for i := 1; i < len(all); i++ {
		if all[i].written.Before(before) {
			replaced = append(replaced, all[i-1].OldFile)
		}
	}
	return replaced, nil
}

// TimestampVersion is that of the timestamp in a folder; 0 if there is none.
func TimestampVersion(folder string) (int64, error) {
	var timestamp Index
	err := readBody(filepath.Join(folder, timestampFile), &timestamp)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	return timestamp.Version, err
}

// inUse are the files that the timestamp leads to.
func inUse(folder string) ([]string, error) {
	var timestamp, snapshot Index
	if err := readBody(filepath.Join(folder, timestampFile), &timestamp); err != nil {
		return nil, err
	}
	version := timestamp.Meta["snapshot.json"].Version
	current := fmt.Sprintf("%d.snapshot.json", version)
	err := readBody(filepath.Join(folder, current), &snapshot)
	if err != nil {
		return nil, err
	}
	return []string{current, fmt.Sprintf("%d.targets.json", snapshot.Meta["targets.json"].Version)}, nil
}

func noteTargets(path string, named map[string]bool) error {
	var t Targets
	if err := readBody(path, &t); err != nil {
		return err
	}
	if t.delegates() {
		return hinted(path+" delegates to other roles, whose targets are not looked at here", "remove files by hand")
	}
	for name, target := range t.Targets {
		for _, sum := range target.Hashes {
			named[sum+"."+name] = true
		}
	}
	return nil
}

// delegates tells whether other roles may vouch for targets, too. The
// reference's tools write that none do as an object without roles.
func (t *Targets) delegates() bool {
	if len(t.Delegations) == 0 {
		return false
	}
	var d struct {
		Roles    []jsontext.Value `json:"roles"`
		Succinct jsontext.Value   `json:"succinct_roles"`
	}
	err := json.Unmarshal(t.Delegations, &d)
	return err != nil || len(d.Roles) > 0 || len(d.Succinct) > 0
}

func readBody(path string, into any) error {
	raw, err := durable.ReadFile(path, MaxSize)
	if err != nil {
		return err
	}
	d, err := ParseDocument(raw)
	if err == nil {
		err = d.Body(into)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// olderThan lists files of a folder that were last written before a time.
func olderThan(folder string, before time.Time, which func(name string) bool) (old []OldFile, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !which(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if info.ModTime().Before(before) {
			old = append(old, OldFile{filepath.Join(folder, e.Name()), info.Size()})
		}
	}
	return old, nil
}
