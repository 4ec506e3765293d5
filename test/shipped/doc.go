// Package shipped holds the tests of what ships as data: that variants and
// defaults are those of the reference, and that every file of every variant,
// rendered from the defaults, from rich settings and from hostile ones, is as
// checked in and can be read back by a parser of the file's own format.
//
// The model and the template language have tests of their own; here they are taken as right.
package shipped
