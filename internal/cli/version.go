package cli

import (
	"fmt"
	"io"
	"runtime/debug"
)

// version is set by packagers: -ldflags "-X …/internal/cli.version=1.2.3".
var version string

// PrintVersion tells the version of this build as all programs do.
func PrintVersion(w io.Writer, name string) { fmt.Fprintf(w, "%s version %s\n", name, Version()) }

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
