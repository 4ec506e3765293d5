// Package journal remembers the updates that were tried on a host, and what
// became of them.
//
// Start with [Load]. Whoever installs a release begins an [Attempt] and notes
// its steps. [Journal.Settle] finds out how far the last one has come: from the
// flags on the disk, since processes and hosts die between a step and its note.
// [Journal.Failed], [Journal.FellBack], [Journal.Staged] and [Journal.Open] answer
// from that. Who changes the journal, or writes a slot, holds [Lock].
//
// It knows neither repositories nor images, so that programs which only ask stay small.
package journal
