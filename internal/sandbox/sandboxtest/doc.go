// Package sandboxtest lays out sandboxes for tests and runs apiserver in them.
//
// Start with [New], then [Start]. The server is the real program in the test's
// own process; who needs a process of its own, to kill it or to measure it,
// starts one.
package sandboxtest
