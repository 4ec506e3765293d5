// Command apiclient is the command line of the host's API; see internal/apiclient.
package main

import (
	"github.com/hostler-os/hostler/internal/apiclient"
	"github.com/hostler-os/hostler/internal/cli"
)

func main() { cli.Main(apiclient.Run) }
