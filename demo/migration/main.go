// Migration is what the tour's release 0.3.0 does to the settings of a host.
package main

import "github.com/hostler-os/hostler/migration"

func main() {
	migration.Main(migration.ReplaceString("settings.motd", "welcome", "welcome to 0.3"))
}
