// Command times is the migration of the release 3.0.0 that the virtual machine
// under test is offered: there is a new setting, which the way back takes away.
package main

import "github.com/hostler-os/hostler/migration"

func main() {
	migration.Main(migration.AddSettings("settings.greeting.times"))
}
