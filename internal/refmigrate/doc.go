// Package refmigrate runs migrations of the reference: static executables that
// are given two folders instead of a document.
//
//	--forward|--backward --source-datastore DIR --target-datastore DIR
//
// Start with [Is], which recognises one, and [Run], which lets one migrate a
// document. Its parts become a datastore of the reference in a file system in
// memory, which the program alone sees; what it writes there becomes the
// document again:
//
//	live       is the live data, with its metadata
//	pending    are pending transactions
//	shadowed   are pending transactions, too: programs treat each part alike,
//	           and a value that shows one day must have been migrated
//
// A file has no layer. A key that is still there keeps its own, a new one has
// none. A value that the program wrote in other words, but did not change, keeps
// its text.
//
// How a program is kept from the host is package memexec's affair; which
// migrations run, and what becomes of the document, package migrate's.
package refmigrate
