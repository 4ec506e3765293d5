// Package osrelease reads which operating system image is running: its
// variant, version and architecture, from the image's os-release file.
//
// It knows the members that the API and templates use, and no others.
package osrelease

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"runtime"
	"strings"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/paths"
)

// maxFile bounds the file, in bytes.
const maxFile = 64 << 10

// Release is what the API and the templates know as "os"; its JSON names are snake_case, unlike those of settings.
type Release struct {
	PrettyName string `json:"pretty_name"`
	VariantID  string `json:"variant_id"`
	VersionID  string `json:"version_id"`
	BuildID    string `json:"build_id"`
	Arch       string `json:"arch"`
}

// Read reads the os-release file below root afresh. All four names that it
// uses are required; others are ignored. The architecture is that of this program.
func Read(root paths.Root) (Release, error) {
	text, err := durable.ReadFile(root.OSRelease(), maxFile)
	if err != nil {
		return Release{}, fmt.Errorf("read os-release: %w", err)
	}
	return Parse(string(text))
}

// Parse reads the text of an os-release file. Lines without '=' and comments
// are skipped, names match in any case, one pair of double quotes is removed.
func Parse(text string) (Release, error) {
	r, missing := parse(text)
	if missing != "" {
		return Release{}, fmt.Errorf("read os-release: %s is missing", missing)
	}
	return r, nil
}

// Facts is what templates see as "os": what the os-release file below root
// says and the architecture. What it does not say is absent, so that on a host
// that is no image of ours only the templates that need it cannot be rendered.
func Facts(root paths.Root) (map[string]any, error) {
	text, err := durable.ReadFile(root.OSRelease(), maxFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read os-release: %w", err)
	}
	r, _ := parse(string(text))
	facts := r.Map()
	maps.DeleteFunc(facts, func(_ string, value any) bool { return value == "" })
	return facts, nil
}

// Map is the release by its JSON names.
func (r Release) Map() map[string]any {
	return map[string]any{
		"pretty_name": r.PrettyName, "variant_id": r.VariantID, "version_id": r.VersionID,
		"build_id": r.BuildID, "arch": r.Arch,
	}
}

// parse also names the first of the required names that has no value.
func parse(text string) (r Release, missing string) {
	r.Arch = arch(runtime.GOARCH)
	fields := map[string]*string{
		"PRETTY_NAME": &r.PrettyName, "VARIANT_ID": &r.VariantID, "VERSION_ID": &r.VersionID, "BUILD_ID": &r.BuildID,
	}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "=")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		if field := fields[strings.ToUpper(name)]; field != nil {
			*field = strings.TrimSuffix(strings.TrimPrefix(value, `"`), `"`)
		}
	}
	for _, name := range []string{"PRETTY_NAME", "VARIANT_ID", "VERSION_ID", "BUILD_ID"} {
		if *fields[name] == "" {
			return r, name
		}
	}
	return r, ""
}

func arch(goarch string) string {
	switch goarch {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return goarch
}
