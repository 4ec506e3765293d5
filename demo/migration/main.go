// Command migration is what the release 0.3.0 of the tour does to settings.
package main

import "github.com/hostler-os/hostler/migration"

func main() {
	migration.Main(migration.ReplaceString("settings.motd", "welcome", "welcome to 0.3"))
}
