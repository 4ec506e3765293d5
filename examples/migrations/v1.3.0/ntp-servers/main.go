// Command ntp-servers is an example of a data migration: that of a release
// 1.3.0 which renames a setting, has a new one, and greets its users otherwise.
//
// docs/tutorial-migration.md explains it.
package main

import "github.com/hostler-os/hostler/migration"

func main() { migration.Main(ntpServers()) }

func ntpServers() migration.Migration {
	return migration.Sequence(
		migration.Rename("settings.ntp.time-servers", "settings.ntp.servers"),
		migration.AddSettings("settings.ntp.min-sources"),
		migration.ReplaceString("settings.motd", "Welcome to 1.2!", "Welcome!"),
	)
}
