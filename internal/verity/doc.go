// Package verity makes read-only devices whose every block is checked against a
// hash tree before anybody sees it: dm-verity.
//
// Start with [Open], which takes the partition with the data, the one with the
// tree, and the root hash that all of it has to lead up to. What else the kernel
// needs to know stands in the tree's [Superblock]; it needs no trust, since a
// wrong one only makes the root hash not match.
//
// The package makes no hash trees (veritysetup does) and does not know where
// the root hash comes from.
package verity
