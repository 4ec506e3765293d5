package cli

import "runtime/debug"

// version is set by packagers: -ldflags "-X …/internal/cli.version=1.2.3".
var version string

// Version is that of this build.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "devel"
}
