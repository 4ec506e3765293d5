// Package manifest is the update manifest: which releases a repository offers,
// in which waves, and which migrations lie between them.
//
// Start with [Parse] and [Manifest.Choose], which also says of every release
// why it is or is not offered; [Waves.Place] says when a host is due, and
// [Manifest.Chain] which migrations lead from one version to another.
// [Manifest.Format] writes the same bytes as the reference's tools; the other
// methods of [Manifest] are the publisher's editing. [Policy] and [ParseOffset]
// read how a publisher says "in 4 hours, to 5 percent".
//
// It reads bytes and returns values. It does not know where the bytes come from
// or whether they are authentic: a manifest is a signed target of a repository.
package manifest
