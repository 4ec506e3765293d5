// Package lint judges user data without a server, and prints the schema by which
// editors do: the commands `sundog lint`, `hostler lint` and `hostler schema`.
//
// Start with [Run] and [Schema], or with [Command], which puts the first into
// another program. What is wrong with a document is the affair of package
// userdata; here is only where the model comes from.
package lint
