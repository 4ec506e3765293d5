package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/dbus"
)

// FailingUnit is a unit of systemd that is not as it should be.
type FailingUnit struct {
	Name  string
	State string // "failed", or "restarting" of one that systemd starts again and again
}

// ErrNoSystemd is returned where no systemd answers, and none will.
var ErrNoSystemd = errors.New("no systemd answers")

// SystemdRuns tells whether systemd is the init system, as sd_booted(3) does.
func SystemdRuns() bool {
	_, err := os.Stat("/run/systemd/system")
	return err == nil
}

// FailingUnits asks systemd for the units that have failed or wait to be
// restarted after they failed, in the order of their names.
func FailingUnits(ctx context.Context) ([]FailingUnit, error) {
	if !SystemdRuns() {
		return nil, fmt.Errorf("list failing units: %w: it is not the init system of this host", ErrNoSystemd)
	}
	conn, err := dialSystemd(ctx)
	if err != nil {
		return nil, fmt.Errorf("list failing units: %w", err)
	}
	defer conn.Close()
	all, err := conn.(*systemBus).ListUnitsContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("list failing units: %w", err)
	}
	return failing(all), nil
}

func failing(all []dbus.UnitStatus) []FailingUnit {
	var list []FailingUnit
	for _, u := range all {
		switch {
		case u.ActiveState == "failed":
			list = append(list, FailingUnit{u.Name, "failed"})
		case strings.HasPrefix(u.SubState, "auto-restart"):
			list = append(list, FailingUnit{u.Name, "restarting"})
		}
	}
	slices.SortFunc(list, func(a, b FailingUnit) int { return strings.Compare(a.Name, b.Name) })
	return list
}
