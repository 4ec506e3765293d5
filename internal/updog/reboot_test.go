package updog

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
)

// newDoor is one without an API and without inhibitors, on a host with this
// program shutdown, if any.
func newDoor(t *testing.T, script string) (d door, told string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if script != "" {
		if err := os.WriteFile(filepath.Join(dir, "shutdown"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return door{filepath.Join(dir, "api.sock"), func(context.Context) ([]api.RebootHold, error) { return nil, nil }}, filepath.Join(dir, "told")
}

// ended is the context of a program that is asked to end.
func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

const tell = `[ "$*" = -r ] && echo done > ${0%/*}/told`

// Without an API it is as with the reference: systemd reboots the host in a
// minute, and being told to end meanwhile does not stop it.
func TestRebootAlone(t *testing.T) {
	d, told := newDoor(t, tell)
	if err := d.reboot(ended(t)); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(told); err != nil {
		t.Error(err)
	}
	for script, want := range map[string]string{
		"":                        `Failed to reboot: exec: "shutdown": executable file not found in $PATH: `,
		"echo no way >&2; exit 1": "Failed to reboot: exit status 1: no way",
	} {
		d, _ := newDoor(t, script)
		if err := d.reboot(t.Context()); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", script, err, want)
		}
	}
}

func TestRebootThatIsInhibited(t *testing.T) {
	d, told := newDoor(t, tell)
	d.inhibitors = func(context.Context) ([]api.RebootHold, error) {
		return []api.RebootHold{{Kind: "inhibitor", Who: "backup", Why: "tapes are turning"}}, nil
	}
	if err := d.reboot(t.Context()); err == nil || err.Error() != "Failed to reboot: the reboot is held back by backup (inhibitor): tapes are turning" {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(told); err == nil {
		t.Error("it was rebooted all the same")
	}
}

// Where apiserver answers, it decides.
func TestRebootThroughTheAPI(t *testing.T) {
	d, told := newDoor(t, tell)
	l, err := net.Listen("unix", d.socket)
	if err != nil {
		t.Fatal(err)
	}
	status, asked := http.StatusNoContent, ""
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.URL.String()
		w.Header().Set("Hostler-Error-Hint", "wait")
		w.WriteHeader(status)
		if status != http.StatusNoContent {
			_, _ = w.Write([]byte("the reboot is held back by change 7 (change): it is being tried"))
		}
	})}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	if err := d.reboot(ended(t)); err != nil || asked != "POST /actions/reboot?mode=careful" {
		t.Errorf("%v, asked for %q", err, asked)
	}
	status = http.StatusConflict
	if err := d.reboot(t.Context()); err == nil || err.Error() != "Failed to reboot: the reboot is held back by change 7 (change): it is being tried" || hint(err) != "" {
		t.Errorf("refused: %v", err)
	}
	if _, err := os.Stat(told); err == nil {
		t.Error("it was rebooted all the same")
	}
}

// Nothing that is not this host is rebooted, and nothing that nobody asked for.
func TestNoReboot(t *testing.T) {
	_, told := newDoor(t, tell)
	for _, a := range []app{{}, {Streams: cli.Streams{Err: os.Stderr}, arguments: arguments{reboot: true, root: t.TempDir()}}} {
		if err := a.maybeReboot(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(told); err == nil {
		t.Error("it was rebooted all the same")
	}
}
