// Command signpost shows and changes which set of partitions boots; see internal/signpost.
package main

import (
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/signpost"
)

func main() { cli.Main(signpost.Run) }
