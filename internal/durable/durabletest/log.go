// Package durabletest crashes the disk below a program, on paper: it records
// what the program did to its files and works out everything that a power loss
// after each step may leave on the disk.
//
// A [Recorder] stands in for durable.OS and keeps a [Log]; a log can also be
// made from a system call trace. [Log.Crashes] then visits every crash; its
// [Tree] can be looked at, or written to a folder and opened. [Log.Without]
// drops a step, to show that a test notices when a sync is missing. [Faults]
// makes operations fail.
//
// The disk is as nasty as POSIX allows: until a file is synced, each write to
// it may be lost, kept, or kept for some of its sectors only, whatever happened
// to the others; until a folder is synced, each change of a name in it may be
// lost, whatever happened to the file. It is not nastier: a sector of 512 bytes
// is old or new, a rename happens whole or not, and what is synced stays.
package durabletest

import (
	"io/fs"
	"slices"
)

// Kind is what an operation does.
type Kind string

// The kinds of operations.
const (
	Create   Kind = "create"
	Write    Kind = "write"
	Truncate Kind = "truncate"
	Chmod    Kind = "chmod"
	Sync     Kind = "sync"     // fsync of a file
	DataSync Kind = "datasync" // fdatasync of a file: all but its mode
	SyncDir  Kind = "syncdir"
	Mkdir    Kind = "mkdir"
	Rename   Kind = "rename"
	Link     Kind = "link"
	Remove   Kind = "remove"
	Mark     Kind = "mark" // no operation: something that the world was told
)

// Op is one operation. Paths are relative to the log's root, with slashes;
// the root itself is ".".
type Op struct {
	Kind   Kind
	Path   string
	To     string // of a rename or a link
	Offset int64  // of a write; the size of a truncate
	Data   []byte // of a write
	Mode   fs.FileMode
	Mark   string
}

// Syncs tells whether o puts something on the disk.
func (o Op) Syncs() bool { return o.Kind == Sync || o.Kind == DataSync || o.Kind == SyncDir }

// Log is what a program did, in order, to a folder that held Base, all of it on disk.
type Log struct {
	Base Tree
	Ops  []Op
}

// Without is the log with one operation left out.
func (l Log) Without(i int) Log {
	return Log{l.Base, slices.Delete(slices.Clone(l.Ops), i, i+1)}
}
