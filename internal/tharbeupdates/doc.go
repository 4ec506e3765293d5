// Package tharbeupdates is the program thar-be-updates: it runs one command of
// an update (refresh, prepare, activate, deactivate) for the API.
//
// [Run] takes the command line. It checks whether the command may begin,
// answers with its exit code, and leaves the work to a process of its own
// (worker.go), which inherits the lock and tells the state machine of package
// updater how it ended. What a command does stands in jobs.go.
//
// It decides nothing about releases and writes no slot: that is package
// update's affair.
package tharbeupdates
