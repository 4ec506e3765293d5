// Package nearest finds the name that a misspelt one was meant to be: of a
// setting, a command, a flag. [Name] is all of it.
package nearest
