// Package signpost is the program signpost: it shows and changes the flags that
// decide which of the two sets of partitions boots next.
//
// [Run] is the whole program; [NewCommand] is its command line, to be hung below
// another program's. The sub-commands are the reference's, with its outputs and
// exit codes; what they do to the flags is the affair of package slot. A disk or
// an image file that the host does not run from is named by --disk and --active.
package signpost
