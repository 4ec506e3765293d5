package tutorial_test

import "testing"

const publishing = "docs/publishing.md"

func TestPublishing(t *testing.T) {
	all := blocks(t, publishing, "# ", "")
	if len(all) < 15 {
		t.Fatalf("only %d blocks were found", len(all))
	}
	run(t, all, map[string]string{
		"--waves default":   `stdout '^1.1.0 .* 7, from '` + "\n",
		"check-expirations": `stdout '^timestamp .* 6 d 23 h$'` + "\n",
	}, nil)
}

// What the page on updates tells begins with what the one on publishing has made.
func TestUpdates(t *testing.T) {
	all := append(
		blocks(t, publishing, "# ", "`--model` publishes the folder"),
		blocks(t, "docs/updates.md", "## Trying it without a machine", "## Why is a release not offered?")...,
	)
	run(t, all, map[string]string{
		"update check":  "stdout 'not offered: wave 4 of 7; this host, with seed 512, is due at '\nstdout '^state +Available: 1.1.0 can be applied$'\nstdout '^Next: +Set B$'\n",
		"updog explain": `stdout '^2 .* boot-failed '` + "\n" + `stdout '^  not offered: it failed on this host: '` + "\n" + `stdout '^slot B runs, with version 1.1.0: not good; slot A boots next$'` + "\n",
	}, nil)
}
