// Package migrate carries the settings of a host from one version of its image
// to another: forward after an update, backward after a fallback.
//
// Start with [Run], which does all of it for the host that boots, and with
// [Rehearse], which does the same to a copy, before an update is activated:
//
//	choose    the migrations between two versions, from the signed manifest
//	verify    every one of them, from metadata that an update has kept
//	run       one document through all of them, each in a sandbox
//	validate  the result, by the new image's model
//	switch    to a new datastore, by one rename
//
// Where the versions are the same, nothing of this is done, and none of the
// files is looked at. Where anything fails, the datastore stays what it was.
//
// What a migration is, and the document, is package migration's affair; how an
// executable is kept from the host, package memexec's; how a datastore is
// copied and replaced, package datastore's.
package migrate
