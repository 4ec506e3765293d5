// Package excerpt keeps a part of what a program prints, however much that is:
// [Head] the beginning, for an answer that must be short; [Tail] the end, where
// programs say why they failed.
//
// Both take all that is written to them, so that no program is held up or told
// that its output is closed. Neither is a bytes.Buffer underneath that shows:
// its ReadFrom would go around the limit.
package excerpt
