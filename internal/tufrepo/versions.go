package tufrepo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/hostler-os/hostler/internal/durable"
)

// Versions are those of the believed metadata.
type Versions struct {
	Root      int64 `json:"root"`
	Timestamp int64 `json:"timestamp"`
	Snapshot  int64 `json:"snapshot"`
	Targets   int64 `json:"targets"`
}

// Versions tells which metadata is believed.
func (r *Repository) Versions() Versions {
	return Versions{r.root.version, r.timestamp.version, r.snapshot.version, r.targets.version}
}

const maxVersionsFile = 4 << 10 // bytes

// SaveVersions notes which metadata was put into a cache, after it was, at a
// place that those who can write to the cache cannot reach.
func SaveVersions(fsys durable.FS, path string, v Versions) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(fsys, path, append(text, '\n'), durable.Attributes{Mode: 0o600, UID: durable.Keep, GID: durable.Keep}); err != nil {
		return fmt.Errorf("keep versions of metadata: %w", err)
	}
	return nil
}

// LoadVersions reads what SaveVersions has noted; fs.ErrNotExist if it has not.
func LoadVersions(path string) (v Versions, err error) {
	text, err := durable.ReadFile(path, maxVersionsFile)
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return v, fmt.Errorf("read versions of metadata: %w", err)
	}
	return v, err
}

// Before tells which role's metadata is older than in another set; "" if none
// is. What was cached may be put back, all of it signed well, by somebody who kept it.
func (v Versions) Before(o Versions) (role string, have, want int64) {
	for _, r := range []struct {
		name       string
		have, want int64
	}{
		{rootRole, v.Root, o.Root},
		{timestampRole, v.Timestamp, o.Timestamp},
		{snapshotRole, v.Snapshot, o.Snapshot},
		{targetsRole, v.Targets, o.Targets},
	} {
		if r.have < r.want {
			return r.name, r.have, r.want
		}
	}
	return "", 0, 0
}
