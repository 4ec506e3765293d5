// Package templates holds the tests of the templates that ship: every file of
// every variant, rendered from the defaults, from rich settings and from
// hostile ones, compared with what is checked in and read back by a parser of
// the file's own format.
//
// The template language has its tests in internal/template; here it is taken as right.
package templates
