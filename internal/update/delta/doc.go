// Package delta lets a host make a new image out of the one that it runs and
// of the little that it fetches.
//
// A publisher calls [Build] with an uncompressed image. It gives two files, which
// are published beside the image NAME as the signed targets NAME.index and
// NAME.blocks ([IndexName], [BlocksName]). A plain web server that answers
// requests for ranges is all that serves them.
//
// # How an image is cut
//
// Where an image is cut depends on what it contains, not on where that lies: a
// rolling hash of the last 64 bytes decides. So what moves from one image to
// the next, by blocks or by single bytes (compressed file systems), is found
// again. docs/updates.md has the figures that speak for that.
//
// From its first byte on a chunk goes on for at least 4 KiB and at most 64 KiB,
// or to the image's end. From the 4097th byte on each byte b updates a number of
// 64 bits, which begins as zero: n = 2n + g(b), where g(b) is the first output of
// splitmix64 seeded with b. The chunk ends behind b if the 16 highest bits of n are zero, or,
// when it has 16 KiB or more, if the 12 highest are.
//
// # The index
//
// Numbers are little-endian; a varint is that of encoding/binary. Version 1:
//
//	7   "hostler"
//	1   version: 1
//	8   size of the image in bytes
//	32  SHA-256 of the image
//	8   size of the blocks file in bytes
//	4   number of chunks
//
// Then each chunk in the image's order, up to the end of the file:
//
//	varint  size in the blocks file in bytes; 0: it is the same as an earlier chunk
//	varint  if it is the same as an earlier chunk: how many chunks before; else its size in bytes
//	16      first half of its SHA-256; none if it is the same as an earlier chunk
//
// # The blocks
//
// The blocks file has every chunk that is not the same as an earlier one, in the
// image's order and without anything between: a zstd frame, or the chunk as it is
// if that is not larger. Each chunk can be fetched and decompressed by itself.
//
// # What is proved by what
//
// The index is a signed target. A range of the blocks cannot be proved by the
// hash of the blocks target; its chunks are proved by the index. The whole is
// proved by the image's SHA-256, which the index holds, when it has been read back from the disk.
package delta
