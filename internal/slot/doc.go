// Package slot knows the two sets of partitions that hold the operating system,
// A and B, and the flags that decide which of them boots.
//
// The flags are bits in the attribute words of a partition table: those of a
// set are its boot partition's ([Word]). What the words of a disk are and which
// set runs is a [State]; each [Change] is a pure function from one to the next,
// and [Boot] is what the boot loader makes of them. docs/slots.md tells what
// the bits mean and how they change in the life of a host.
//
// [Running] finds the disk that the host runs from, [At] takes any disk or
// image file. A [Disk] shows its [Status], is changed by [Disk.Change], and
// tells where the partitions of a set lie. [NewTable] lays out a new disk.
//
// How a table survives power loss is the affair of package gpt; what is written
// into a set, that of those who update it.
package slot
