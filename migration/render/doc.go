// Package render has the kinds of migrations that render templates: for
// settings whose value was made from a template that a version changes.
//
// Start with [ReplaceSchnauzer]; [ReplaceTemplate] is for templates of the old
// kind. They are not in package migration because the renderer makes a
// migration's program larger by a megabyte or two.
//
// Rendering sees the settings of the document and nothing of the host: what
// helpers look up there, such as names, is not found.
package render
