// Package bootstage is the program that an image's initial RAM disk starts as
// /init: it plays the part of a boot loader that knows the two slots.
//
// [Run] is the whole program. Firmware, or whoever starts the machine, gives it
// a kernel and this RAM disk, which no update ever touches. It
//
//	finds the disk with the slots
//	takes the slot that is to boot, and a try off it, durably (package slot)
//	reads what its boot partition says: kernel parameters, the root hash
//	starts the slot's own kernel by kexec, which comes here again for the rest
//	makes the root device by dm-verity (package verity), mounts it read-only
//	lays a file system in memory over /etc, and becomes the slot's init
//
// A slot with which that does not succeed is passed over and the next one taken,
// within the same boot. If none is left, the machine reboots after a while.
// docs/image.md tells what an image has to bring.
package bootstage
