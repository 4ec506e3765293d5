// Command apiserver serves the settings API of a host; see internal/apiserver.
package main

import (
	"github.com/hostler-os/hostler/internal/apiserver"
	"github.com/hostler-os/hostler/internal/cli"
)

func main() { cli.Main(apiserver.Run) }
