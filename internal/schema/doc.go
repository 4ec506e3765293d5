// Package schema evaluates JSON Schema 2020-12, for the values of settings.
//
// Start with [Compiler]: documents are added by the name of their file, then
// compiled where they are needed; [Schema.Validate] lists the faults of a value.
// A schema is also data for who walks documents along it, so its parts are
// exported and must not be modified.
//
// It is small because settings are: references reach only added documents, an
// $id names only a whole one, and keywords are refused that nothing here
// evaluates ($dynamicRef, $dynamicAnchor, $vocabulary), as are unknown ones and
// unknown formats, whose rules would silently not hold. Numbers that are no integers of 64 bits are
// compared as float64. In tests the full implementation of the standard judges.
package schema
