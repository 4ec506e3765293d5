package apiclient

import (
	"testing"

	"github.com/hostler-os/hostler/internal/api"
)

func TestOwnEnd(t *testing.T) {
	ended := map[string]api.UpdateCommand{"prepare": {Type: "prepare", Timestamp: "t2"}}
	for _, test := range []struct {
		what, before string
		running      *api.UpdateWork
		want         bool
	}{
		{"nothing is under way", "t1", nil, true},
		{"the next one is", "t1", &api.UpdateWork{Command: "activate"}, true},
		{"its process is not gone", "t1", &api.UpdateWork{}, false},
		{"it is under way again", "t1", &api.UpdateWork{Command: "prepare"}, false},
		{"that was an earlier one", "t2", nil, false},
	} {
		e := &ending{updateCommand: prepare, before: test.before}
		if got := e.own(&api.Updates{Running: test.running, Ended: ended}); (got != nil) != test.want {
			t.Errorf("%s: %+v", test.what, got)
		}
	}
}
