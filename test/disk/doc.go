// Package disk has partition tables judged by those who know: sfdisk, sgdisk and
// the kernel.
//
// What we write must be sound to the tools, what they write must be read, what
// they damage must be mended, and loop devices of both sector sizes must keep
// their partitions, mounted ones too, while flags change. Updates of such a disk
// are killed at any time and finished.
//
// The tests need root, loop devices, fdisk and gdisk, so they are behind the
// build tag integration, and fail when something is missing. What can be shown
// without is in the packages themselves.
package disk
