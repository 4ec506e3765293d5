// Command sundog brings the settings of a booting host together; see internal/sundog.
package main

import (
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/sundog"
)

func main() { cli.Main(sundog.Run) }
