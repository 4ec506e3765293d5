// Package paths names every file and folder that the suite touches, all below
// one root, so that any program runs in a temporary directory.
//
// It holds names only: it opens nothing and creates nothing.
package paths

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Root is the folder that stands for "/". The zero value is the host's own root.
type Root string

// Host is the root of the running host.
const Host Root = "/"

// Join places an absolute host path, such as /etc/motd, below the root.
// Dots in the path never lead out of the root.
func (r Root) Join(path string) string {
	root := string(r)
	if root == "" {
		root = "/"
	}
	return filepath.Join(root, filepath.Clean("/"+path))
}

// IsHost tells whether the root is that of the running host.
func (r Root) IsHost() bool { return filepath.Clean("/"+string(r)) == "/" }

func (r Root) Socket() string    { return r.Join("/run/api.sock") }
func (r Root) OSRelease() string { return r.Join("/usr/lib/os-release") }

// Share is the read-only part that the image brings: models and variants.
func (r Root) Share() string     { return r.Join("/usr/share/hostler") }
func (r Root) Templates() string { return r.Join("/usr/share/templates") }

// Config is where the host's own configuration of the suite lies.
func (r Root) Config() string { return r.Join("/etc/hostler") }

// Access maps groups to roles; see docs/security.md.
func (r Root) Access() string { return r.Join("/etc/hostler/access.toml") }

// State survives reboots and updates.
func (r Root) State() string     { return r.Join("/var/lib/hostler") }
func (r Root) Datastore() string { return r.Join("/var/lib/hostler/datastore.db") }

// Recovered tells that this boot's migrations found the datastore damaged.
func (r Root) Recovered() string { return r.Join("/run/hostler/datastore-recovered.json") }

// Edited keeps copies of rendered files that somebody had edited by hand.
func (r Root) Edited() string { return r.Join("/var/lib/hostler/edited") }

// Boots keeps the reports of the last boots.
func (r Root) Boots() string { return r.Join("/var/lib/hostler/boots") }

// Boot is the report of the running boot, as far as it has come.
func (r Root) Boot() string { return r.Join("/run/hostler/boot.jsonl") }

// ReferenceDatastore is where the reference keeps its settings.
func (r Root) ReferenceDatastore() string { return r.Join("/var/lib/bottlerocket/datastore") }

// UserDataLoaded is there once user data has been loaded; the reference's path.
func (r Root) UserDataLoaded() string { return r.Join("/var/lib/bottlerocket/early-boot-config.ran") }

// Run is gone after a reboot.
func (r Root) Run() string { return r.Join("/run/hostler") }

// Restarts is where a sandbox records the commands that a host would run.
func (r Root) Restarts() string { return r.Join("/run/hostler/restarts.jsonl") }

// Faults tells a sandbox which commands shall fail or hang.
func (r Root) Faults() string { return r.Join("/run/hostler/faults.json") }

// Sandbox marks a root as a sandbox: commands are recorded, not run.
func (r Root) Sandbox() string { return r.Join("/etc/hostler/sandbox.toml") }

// IsSandbox tells whether the root is marked as a sandbox. Where that cannot be
// told it is taken for one: better that nothing runs.
func (r Root) IsSandbox() bool {
	_, err := os.Lstat(r.Sandbox())
	return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR)
}

// Updog is the configuration of updates, rendered from settings; the reference's path.
func (r Root) Updog() string { return r.Join("/etc/updog.toml") }

// TrustedRoot is the root of trust that the image brings; the reference's path.
func (r Root) TrustedRoot() string { return r.Join("/usr/share/updog/root.json") }

// TrustedMetadata is what is believed of the repository, from one run to the next.
func (r Root) TrustedMetadata() string { return r.Join("/var/lib/hostler/metadata") }

// CachedMetadata and Migrations are what the first boot of another version
// verifies and runs; the reference's paths.
func (r Root) CachedMetadata() string { return r.Join("/var/cache/bottlerocket-metadata") }
func (r Root) Migrations() string     { return r.Join("/var/lib/bottlerocket-migrations") }

// CachedVersions is which metadata the last update has put into the cache.
func (r Root) CachedVersions() string { return r.Join("/var/lib/hostler/cached-versions.json") }

// MigrationReports tells what became of the last migrations.
func (r Root) MigrationReports() string { return r.Join("/var/lib/hostler/migrations.json") }

// Attempts is the journal of updates that were tried on this host.
func (r Root) Attempts() string { return r.Join("/var/lib/hostler/updates.json") }

// UpdateMark is how far an image has come that is being written.
func (r Root) UpdateMark() string { return r.Join("/var/lib/hostler/update-mark.json") }

// Disk names the disk of a root that is not the host's.
func (r Root) Disk() string { return r.Join("/etc/hostler/disk.toml") }

// SlotImage is the image of a sandbox's slot that does not run; the running one's is its folder usr.
func (r Root) SlotImage(slot string) string { return r.Join("/slots/" + slot) }

// UpdateRecord is how far the update of this host has come; it survives reboots.
func (r Root) UpdateRecord() string { return r.Join("/var/lib/hostler/update-state.json") }

// UpdateSpareRecord takes the place of UpdateRecord while the disk takes nothing more.
func (r Root) UpdateSpareRecord() string { return r.Join("/run/hostler/update-state.json") }

// UpdaterLock, UpdaterConfig and UpdateStatus are where the reference's programs
// keep the same: its lock, its version lock and what its API tells.
func (r Root) UpdaterLock() string   { return r.Join("/run/lock/thar-be-updates.lock") }
func (r Root) UpdaterConfig() string { return r.Join("/etc/thar-be-updates.toml") }
func (r Root) UpdateStatus() string  { return r.Join("/run/cache/thar-be-updates/status.json") }

// UpdateProgress is how far the command has come that is under way, UpdateCancel asks it to stop.
func (r Root) UpdateProgress() string { return r.Join("/run/cache/thar-be-updates/progress.json") }
func (r Root) UpdateCancel() string   { return r.Join("/run/cache/thar-be-updates/cancel") }

// SafeUpdaterLock takes the place of UpdaterLock where everybody may put files
// beside that; UpdateLock is held by the process that updates the host,
// MetadataLock by the one that reads a repository.
func (r Root) SafeUpdaterLock() string { return r.Join("/run/hostler/thar-be-updates.lock") }
func (r Root) UpdateLock() string      { return r.Join("/run/hostler/update.lock") }
func (r Root) MetadataLock() string    { return r.Join("/run/hostler/metadata.lock") }

// Variant names the variant of this image.
func (r Root) Variant() string { return r.Join("/usr/share/hostler/variant") }

// ImageHealth and Health say what a boot is judged by: the image's and the operator's.
func (r Root) ImageHealth() string { return r.Join("/usr/lib/hostler/health.toml") }
func (r Root) Health() string      { return r.Join("/etc/hostler/health.toml") }

// ImageHealthChecks and HealthChecks hold executables that judge a boot.
func (r Root) ImageHealthChecks() string { return r.Join("/usr/lib/hostler/health.d") }
func (r Root) HealthChecks() string      { return r.Join("/etc/hostler/health.d") }

// HealthReports are the judgements of the last boots.
func (r Root) HealthReports() string { return r.Join("/var/lib/hostler/health.json") }
