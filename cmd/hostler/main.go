// Command hostler is every program of the suite in one file; see internal/hostler.
package main

import (
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/hostler"
)

func main() { cli.Main(hostler.Run) }
