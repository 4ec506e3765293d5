// Package publish writes signed repositories: the publisher's side of package
// tufrepo.
//
// Start with [Root], which says whose signatures count for what; it is made,
// edited, rotated and signed key by key, on several machines if need be. [Load]
// reads what a repository holds now, and an [Edition] is its next state: which
// targets, until when, signed by whom. [Edition.Plan] signs it and proves it
// with a client's own code before anything is written; [Plan.Run] publishes it:
//
//	targets, under names that begin with their hash    nobody refers to them yet
//	V.targets.json, V.snapshot.json                    nor to these
//	timestamp.json                                     from here on clients see the new state
//
// Each file is replaced durably, as a whole, so that a client that reads at any
// instant sees the old state or the new one, and a crash leaves one of them;
// doing the same again completes it. Where a new root stands in that order is
// said at [Plan].
//
// The package does not know what targets mean, nor where keys lie.
package publish
