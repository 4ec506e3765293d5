package service

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/dbus"
)

// FailingUnit is a unit of systemd that is not as it should be.
type FailingUnit struct {
	Name  string
	State string // "failed", or "restarting" of one that systemd starts again and again
}

// FailingUnits asks systemd for the units that have failed or wait to be
// restarted after they failed, in the order of their names.
func FailingUnits(ctx context.Context) ([]FailingUnit, error) {
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
