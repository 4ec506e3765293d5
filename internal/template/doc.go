// Package template renders configuration files from settings: the Handlebars
// dialect of the reference's templates, and its helpers.
//
// Start with [Parse], which compiles a template file (front matter, a line of
// plus signs, body), and [Template.Render]. A compiled template may be used by
// many goroutines at once. [ParseBody] and [ParseLegacy] are for texts that
// come without front matter.
//
// # The dialect
//
// It is that of handlebars-rust 4 with strict mode on, with the dialect's own
// grammar: `{{x}}` for a value that is not there fails the whole template, as
// does a helper that was not asked for. It departs from it on purpose in four
// places: maps are walked in the order of their keys, so that equal settings
// give equal bytes; `{{else if x}}` is chained, where the reference loses its
// branches; `../x` never names a block parameter; and the amount of work,
// output and nesting is bounded (see limits.go).
//
// # Escaping
//
// `{{x}}` is HTML-escaped, as with the reference, unless the front matter says
// otherwise with `escape = "…"`: see [Escape]. `{{{x}}}` and `{{&x}}` never are.
//
// # What it does not do
//
// It reads no files, no environment and no network: what helpers may learn of
// the host is handed over in [System]. It never puts a value into an error
// message, since values may be secret.
package template
