package main

import (
	"testing"

	"github.com/hostler-os/hostler/migration/migrationtest"
)

func TestMigration(t *testing.T) {
	migrationtest.Suite{
		Migration: ntpServers(),
		Package:   ".",
		Older: migrationtest.Version{Settings: map[string][]any{
			"settings.ntp.time-servers": {[]string{"192.0.2.1"}, []string{}},
			"settings.motd":             {"Welcome to 1.2!", "mine"},
		}},
		Newer: migrationtest.Version{Settings: map[string][]any{
			"settings.ntp.servers":     {[]string{"192.0.2.1"}, []string{}},
			"settings.ntp.min-sources": {2, 3},
			"settings.motd":            {"Welcome!", "mine"},
		}},
		Idempotent: true,
	}.Run(t)
}
