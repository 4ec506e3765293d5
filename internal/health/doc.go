// Package health decides whether a boot was good, and what becomes of a slot
// that booted badly.
//
// Start with [Checks], which are all that a host is judged by, and [Judge],
// which asks them until they are content or its patience is over, and makes a
// [Report]. [Keep] keeps reports where the old system finds them after it has
// taken over again. [Decide] says what a bad report leads to: only a slot that
// has never been good is left, and only if there is another one to go to.
//
// The package changes no flags and reboots nothing: units order the judgement
// before boot-complete.target, what marks the slot as good behind it, and the
// program healthcheck does the rest. docs/boot.md tells the whole.
package health
