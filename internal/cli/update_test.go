package cli

import (
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/api"
)

func TestUpdateProgress(t *testing.T) {
	since := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	w := api.UpdateWork{
		Command: "prepare", Version: "1.21.0", Step: "write boot", Phase: "write", Since: since, Changed: since.Add(10 * time.Second),
		Fetched: 10 << 20, Size: 20 << 20, Before: 30 << 20, Total: 80 << 20,
	}
	for _, test := range []struct {
		name   string
		change func(*api.UpdateWork)
		want   string
	}{
		{"on its way", func(*api.UpdateWork) {}, "prepare 1.21.0 [##########..........] 50%, write boot: 40.0 MiB of 80.0 MiB, 1.0 MiB/s, 40 s left"},
		{"with blocks of its own", func(w *api.UpdateWork) { w.Reused = 5 << 20 }, "prepare 1.21.0 [##########..........] 50%, write boot: 40.0 MiB of 80.0 MiB, 5.0 MiB are here already, 1.0 MiB/s, 40 s left"},
		{"just begun", func(w *api.UpdateWork) { w.Changed = since }, "prepare 1.21.0 [##########..........] 50%, write boot: 40.0 MiB of 80.0 MiB"},
		{"reading back", func(w *api.UpdateWork) { w.Phase, w.Written, w.Differ = "verify", 1<<20, 1<<10 }, "prepare 1.21.0: write boot, read back 1.0 MiB, 1.0 KiB of it changed"},
		{"proving again", func(w *api.UpdateWork) {
			w.Command, w.Step, w.Phase, w.Fetched, w.Written = "activate", "read back boot", "prove", 0, 10<<20
		}, "activate 1.21.0 [##########..........] 50%, read back boot: 40.0 MiB of 80.0 MiB, 1.0 MiB/s, 40 s left"},
		{"before the first step", func(w *api.UpdateWork) { w.Step = "" }, "prepare 1.21.0"},
		{"a refresh", func(w *api.UpdateWork) { *w = api.UpdateWork{Command: "refresh"} }, "refresh"},
	} {
		got := w
		test.change(&got)
		if text := UpdateProgress(got); text != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.name, text, test.want)
		}
	}
}
