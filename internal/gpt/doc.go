// Package gpt reads and writes GUID partition tables, on block devices and on
// image files, so that a change of flags survives power loss.
//
// [Open] opens a disk, [Disk.Read] reads its [Table], and [Disk.Update] locks
// the disk, reads the table anew, lets a function change it and writes it back.
// [Read] and [Write] do the same on any [Device].
//
// # The two copies
//
// A table lies on the disk twice (UEFI specification 2.10, chapter 5.3):
//
//	sector 0          protective MBR
//	sector 1          primary header, points to its entries and to the backup header
//	sectors 2…        primary entries: 128 of 128 bytes, usually
//	…                 partitions
//	last sectors but  backup entries
//	last sector       backup header
//
// Each header carries a CRC of itself and one of its entries. A copy counts only
// if both are right and everything in it makes sense. The primary copy, if it
// counts, is the table; otherwise the backup copy is, provided that the
// protective MBR says that this still is such a disk.
//
// # What a write does
//
//	read both copies       nothing is written that is there already
//	fsync                  what an interrupted writer left in the cache
//	backup: entries, header; fsync
//	primary: entries, header; fsync
//	read both copies again and compare
//
// At every moment one copy is whole on the disk: the old primary until the new
// backup is, the new backup until the new primary is. So power loss leaves the
// old table or the new one, and boot loaders and this package repair the other
// copy from it. If only one copy counts, the other one is written first. The
// protective MBR is never touched.
//
// The kernel reads partitions, not attributes: it is told nothing when only
// attributes change, and each changed partition by BLKPG otherwise. BLKRRPART,
// which drops all partitions of a kernel that cannot parse them, is never used.
//
// The package does not align, resize or create partitions by itself, and knows
// nothing of what attributes and types mean: that is the affair of package slot.
package gpt
