// Package update finds out which release a host should get, and puts it into
// the spare slot.
//
// Start with [Open]: it proves the repository that a [Config] names, reads its
// manifest, and [Catalog.Choose] decides. An [Installation] then writes a release
// step by step, [Activate] makes it boot next, [Deactivate] takes that back. What a
// manifest means is the affair of package update/manifest, what is authentic that
// of package tufrepo, what was tried that of package update/journal.
//
// Errors carry the texts that the users of the reference's updog know.
package update
