// Package update finds out which release a host should get, and why.
//
// Start with [Open]: it proves the repository that a [Config] names, reads its
// manifest, and [Catalog.Choose] decides. What a manifest means is the affair of
// package update/manifest, what is authentic that of package tufrepo.
//
// Errors carry the texts that the users of the reference's updog know.
package update
