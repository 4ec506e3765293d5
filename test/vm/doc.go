// Package vm_test updates a machine that really boots: a kernel, a boot stage
// that picks the slot, a root that dm-verity proves, systemd, and Hostler as it
// is installed. `make vm` runs it; the build tag is vm.
//
// [TestLife] is the life of one machine, in the order in which things happen to
// it. releases_test.go builds the releases it is offered, by packaging/image/build,
// and signs the repository. It needs root and the tools that docs/image.md lists,
// but no hardware virtualisation.
package vm_test
