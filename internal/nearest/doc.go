// Package nearest finds the name that a misspelt one was meant to be: of a
// setting, a command, a flag. [Name] is where to start.
package nearest
