// Package image writes a compressed image into a partition and proves that it
// is there.
//
// [Open] opens the place, a block device or a part of an image file, and
// [Write] streams an image into it:
//
//	source → decompress → compare with what is there → write blocks that differ
//	             behind that: read back and compare what has been written
//	the source's end, where it verifies itself
//	fsync, drop from the cache, read back the rest
//
// What is read back comes from the disk: it is written and read past the
// kernel's cache. File systems and disks that cannot do that are written
// through the cache, and all is read back after the sync, when the cache has been told to forget it.
//
// Nothing is reported as written before the source has been read to its very
// end without an error, so a source that checks a hash there is always asked.
// (A decompressor stops at the end mark of its format and would not ask.) Memory
// is bounded whatever the image's size: a few blocks, the decompressor's
// window, and eight bytes for each MiB to compare with.
//
// An lz4 image can be gone on with where a call was interrupted, see [Mark]. For
// that its frames are read here, and not a byte of the source ahead of need.
//
// The package knows nothing of slots and their flags: until the caller marks
// the slot as valid, what is written here, half or whole, is not booted.
package image
