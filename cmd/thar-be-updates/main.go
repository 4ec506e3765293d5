// Command thar-be-updates runs one command of an update; see internal/tharbeupdates.
package main

import (
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/tharbeupdates"
)

func main() { cli.Main(tharbeupdates.Run) }
