// Package migration is what the author of a data migration imports.
//
// A migration carries the settings of a host from one version of its image to
// the next and back. It is a static program of a few lines:
//
//	package main
//
//	import "github.com/hostler-os/hostler/migration"
//
//	func main() {
//		migration.Main(migration.Rename("settings.ntp.servers", "settings.ntp.time-servers"))
//	}
//
// Start with [Main] and the ready-made kinds, such as [AddSettings],
// [ReplaceString] and [Rename]; [Sequence] puts several together, [Funcs] is
// for what they do not cover. Package migrationtest tests a migration, package
// render has the kinds that need templates.
//
// # What a migration must bear
//
// Forward and Backward are called once for the live settings and once for every
// other part of the [Document], which may hold a few keys or none: never assume
// that a key is there. What a migration does not name it must leave as it is.
// A migration runs before any other program of the suite, in a sandbox without
// files, network and privileges, for a bounded time.
//
// # What the package does not do
//
// It chooses, verifies and runs nothing: that is the affair of the program
// migrator. It knows no settings model, so that a migration that was built
// once serves every later image.
package migration
