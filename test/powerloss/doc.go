// Package powerloss proves, on the system calls that are really made, that the
// datastore, and a host that is being updated, survive power loss and failing
// disks.
//
// Its tests run themselves again under strace as a program that commits, and
// announces each commit. From the recorded calls every state is worked out that
// a power loss may leave on the disk (see internal/durable/durabletest); the
// store is opened in each and must hold exactly what was announced before, or
// one commit more, never a mix. Then each sync is left out in turn, and the same
// check must notice. The same is done with updog: in each state the host must
// boot what it ran or the whole release, and the next attempt must succeed.
//
// The tests need strace, so they are behind the build tag integration, and fail
// without it. What can be shown without strace is in the packages themselves.
package powerloss
