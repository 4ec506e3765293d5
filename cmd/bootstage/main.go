// Command bootstage is the /init of an image's initial RAM disk; see internal/bootstage.
package main

import (
	"github.com/hostler-os/hostler/internal/bootstage"
	"github.com/hostler-os/hostler/internal/cli"
)

func main() { cli.Main(bootstage.Run) }
