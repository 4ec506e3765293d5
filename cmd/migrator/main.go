// Command migrator carries the datastore to the version that boots; see internal/migrator.
package main

import (
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/migrator"
)

func main() { cli.Main(migrator.Run) }
