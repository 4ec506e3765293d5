// Package tufrepo reads signed repositories (The Update Framework, version 1):
// it proves what a repository says, keeps the proof on disk, and streams
// targets whose length and hash are checked to the last byte.
//
// Start with [Open]. It takes a [Source] (a repository on the network, in a
// folder, or in a bundle), the root of trust that the image brought, and what
// the caller chooses: whether expiry counts, where the trusted state is kept,
// whether delegations may speak. The same code serves a running host, a host
// that boots, and the public conformance suite.
//
// Signatures are verified over the canonical form of the bytes that came, never
// over something written again, so members that nobody here knows are covered
// by them, and so is each spelling of a time. Metadata is kept as those bytes.
//
// The package does not lock: one process at a time uses a state folder. It
// knows nothing of what targets mean. See docs/tuf.md for the threat model.
package tufrepo
