// Command words is the migration of the release 2.0.0 that the virtual machine
// under test is offered: a setting has another name.
package main

import "github.com/hostler-os/hostler/migration"

func main() {
	migration.Main(migration.Rename("settings.greeting.text", "settings.greeting.words"))
}
