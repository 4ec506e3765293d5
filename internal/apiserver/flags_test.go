package apiserver

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/cli"
)

func TestParseFlags(t *testing.T) {
	host := options{
		root: "/", socket: "/run/api.sock", socketGID: -1, socketMode: 0o660,
		datastore: "/var/lib/hostler/datastore.db", restartTimeout: 2 * time.Minute,
	}
	with := func(change func(*options)) options {
		o := host
		change(&o)
		return o
	}
	tests := []struct {
		name string
		args []string
		want options
	}{
		{"nothing", nil, host},
		{
			"the reference's unit",
			[]string{"--datastore-path", "/var/lib/bottlerocket/datastore/current", "--socket-gid", "274"},
			with(func(o *options) { o.datastore, o.socketGID = "/var/lib/bottlerocket/datastore/datastore.db", 274 }),
		},
		{"a file", []string{"--datastore-path=/data/x.db"}, with(func(o *options) { o.datastore = "/data/x.db" })},
		{"a root", []string{"--root", "/srv/box/"}, with(func(o *options) {
			o.root, o.socket, o.datastore = "/srv/box", "/srv/box/run/api.sock", "/srv/box/var/lib/hostler/datastore.db"
		})},
		{
			"the rest",
			[]string{"--socket-path", "/s", "--socket-mode", "600", "--variant", "v", "--log-level", "WARN", "--restart-timeout", "5s", "--no-color", "--exec-socket-path", "/x"},
			with(func(o *options) {
				o.socket, o.socketMode, o.variant, o.level, o.restartTimeout = "/s", 0o600, "v", cli.Level(slog.LevelWarn), 5*time.Second
			}),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseFlags(append([]string{"apiserver"}, tt.args...))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, tt.want, cmp.AllowUnexported(options{})); diff != "" {
				t.Errorf("-got +want:\n%s", diff)
			}
		})
	}
}
