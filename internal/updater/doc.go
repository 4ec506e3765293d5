// Package updater is the state machine of an update: which command may follow
// which, what is remembered of them, and what the API tells of it.
//
// An [Updater] is the machine of one host. A program that runs a command takes
// [Updater.Lock], asks [Updater.Begin], does the work, reports with
// [Updater.Report] how far it is, and says with [Updater.End] how it ended. Who
// only wants to know takes [Updater.Share] and then [Updater.View].
//
// What is remembered, the [Record], survives reboots and crashes. What can be
// seen is not remembered but looked up: in the disk's flags the slot that runs and
// the one that boots next, in the journal of attempts what is in the spare one. A command that was begun
// and of which nobody holds the lock any more was interrupted, and counts as
// failed.
//
// It neither reads repositories nor writes slots; that is package update's
// affair. So apiserver, which asks it all the time, stays small.
package updater
