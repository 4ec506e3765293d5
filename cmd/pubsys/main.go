// Command pubsys publishes releases in signed repositories; see internal/pubsys.
package main

import (
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/pubsys"
)

func main() { cli.Main(pubsys.Run) }
