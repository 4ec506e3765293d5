package sandbox

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/slot"
)

const diskMade = "Disk image of %s with two sets in %s; set A counts as good\n\n"

const diskSteps = `  signpost --disk %[1]s --active A status          what boots next
  signpost --disk %[1]s --active A simulate-boot   what the boot loader does
`

const ownDiskSteps = `  signpost --root %[1]s status   what boots next
  hostler sandbox boot %[1]s     boot it
`

func newDisk() *cobra.Command {
	size, data, sectorSize, owner := byteSize(2<<30), byteSize(0), 512, ""
	command := &cobra.Command{
		Use: "disk FILE", Short: "make a disk image with two sets of partitions",
		Long: `Make a disk image, laid out as that of a host: two sets of boot, root and hash
partitions, A and B, whose sizes grow with the disk's. The file is sparse: it
takes next to no room until something is written into its partitions.`,
		Example: "  hostler sandbox disk os.img --size 2G\n  hostler sandbox disk os4k.img --sector-size 4096\n  hostler sandbox disk os.img --for box", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			plan := slot.Plan{Size: int64(size), Data: int64(data), SectorSize: sectorSize}
			if err := makeDisk(args[0], plan, owner); err != nil {
				return err
			}
			steps, of := diskSteps, args[0]
			if owner != "" {
				steps, of = ownDiskSteps, owner
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), diskMade+"%s", size.String(), args[0], fmt.Sprintf(steps, of))
			return err
		},
	}
	command.Flags().Var(&size, "size", "`SIZE` of the disk, such as 2G or 768M; 512M at least")
	command.Flags().Var(&data, "data", "`SIZE` of a data partition behind that; without it, the host has another disk for its data")
	command.Flags().StringVar(&owner, "for", "", "make it the disk of the sandbox `DIR`, which runs from its set A")
	_ = command.MarkFlagDirname("for")
	command.Flags().IntVar(&sectorSize, "sector-size", sectorSize, "`BYTES` of a sector: 512 or 4096")
	return command
}

// makeDisk makes an image and, if owner is the folder of a sandbox, its disk.
func makeDisk(path string, plan slot.Plan, owner string) error {
	if owner == "" {
		return plan.Create(path)
	}
	root, err := Open(owner)
	if err != nil {
		return err
	}
	if err := plan.Create(path); err != nil {
		return err
	}
	return slot.Assign(root, path, slot.A)
}

// byteSize is a flag's value: a number of bytes, or of KiB, MiB, GiB or TiB with K, M, G or T.
type byteSize int64

var byteUnits = []struct {
	letter string
	bytes  int64
}{{"T", 1 << 40}, {"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}}

// Type is the word for the value in --help.
func (b *byteSize) Type() string { return "SIZE" }

func (b *byteSize) String() string {
	for _, unit := range byteUnits {
		if n := int64(*b); n > 0 && n%unit.bytes == 0 {
			return strconv.FormatInt(n/unit.bytes, 10) + unit.letter
		}
	}
	return strconv.FormatInt(int64(*b), 10)
}

// Set parses 1048576, 1024K, 1M or 1MiB.
func (b *byteSize) Set(text string) error {
	digits, factor := strings.TrimSuffix(strings.ToUpper(text), "IB"), int64(1)
	for _, unit := range byteUnits {
		if rest, ok := strings.CutSuffix(digits, unit.letter); ok {
			digits, factor = rest, unit.bytes
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 || n > math.MaxInt64/factor {
		return fmt.Errorf("want a number of bytes, or with K, M, G or T behind it")
	}
	*b = byteSize(n * factor)
	return nil
}
