// Command schnauzer renders templates from settings; see internal/schnauzer.
package main

import (
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/schnauzer"
)

func main() { cli.Main(schnauzer.Run) }
