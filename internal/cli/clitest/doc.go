// Package clitest has what tests of programs share. Start with [Buffer], which
// a program may write to while the test reads. It runs no programs: that is a
// call of their Run, or of package sandboxtest where they need a server.
package clitest
