// Command updata edits update manifests; see internal/updata.
package main

import (
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/updata"
)

func main() { cli.Main(updata.Run) }
