package apiserver

import (
	"os"
	"regexp"
	"testing"
	"time"
)

// What a stop waits for is journalled, and not killed, only if that is over
// before the unit's patience is.
func TestStopFitsIntoTheUnit(t *testing.T) {
	unit, err := os.ReadFile("../../packaging/systemd/apiserver.service")
	if err != nil {
		t.Fatal(err)
	}
	patience := regexp.MustCompile(`(?m)^TimeoutStopSec=(\d+)$`).FindSubmatch(unit)
	if patience == nil {
		t.Fatal("the unit sets no TimeoutStopSec")
	}
	const rest = 5 * time.Second // to kill commands, and to close the datastore
	limit, err := time.ParseDuration(string(patience[1]) + "s")
	if err != nil || requestTime+changeTime+rest > limit {
		t.Errorf("a stop takes up to %v, the unit's patience is %v (%v)", requestTime+changeTime+rest, limit, err)
	}
}
