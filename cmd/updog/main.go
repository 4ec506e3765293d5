// Command updog finds updates; see internal/updog.
package main

import (
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/updog"
)

func main() { cli.Main(updog.Run) }
