package service

import (
	"context"
	"errors"
	"fmt"
	"strings"

	godbus "github.com/godbus/dbus/v5"
)

// Inhibitor is what somebody has asked systemd-logind to hold back.
type Inhibitor struct {
	Who, Why string
	UID, PID uint32
}

// RebootInhibitors are those that block a reboot. A host without logind has none.
func RebootInhibitors(ctx context.Context) ([]Inhibitor, error) {
	conn, err := dialBus()
	if err != nil {
		return nil, nil // without a bus nobody can inhibit anything
	}
	defer conn.Close()
	var found []struct {
		What, Who, Why, Mode string
		UID, PID             uint32
	}
	err = conn.Object("org.freedesktop.login1", "/org/freedesktop/login1").
		CallWithContext(ctx, "org.freedesktop.login1.Manager.ListInhibitors", 0).Store(&found)
	if remote := (godbus.Error{}); errors.As(err, &remote) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ask logind who inhibits a reboot: %w", err)
	}
	var blocking []Inhibitor
	for _, i := range found {
		if i.Mode == "block" && strings.Contains(":"+i.What+":", ":shutdown:") {
			blocking = append(blocking, Inhibitor{i.Who, i.Why, i.UID, i.PID})
		}
	}
	return blocking, nil
}

// Scope moves this process out of the control group of the service that
// started it, into a scope of its own: it goes on when that service is stopped,
// and is asked to end when the host shuts down.
func Scope(ctx context.Context, name, description string, pid int) error {
	conn, err := dialBus()
	if err != nil {
		return fmt.Errorf("make scope %s: %w", name, err)
	}
	defer conn.Close()
	type property struct {
		Name  string
		Value godbus.Variant
	}
	type auxiliary struct {
		Name       string
		Properties []property
	}
	properties := []property{
		{"Description", godbus.MakeVariant(description)},
		{"PIDs", godbus.MakeVariant([]uint32{uint32(pid)})},
		{"CollectMode", godbus.MakeVariant("inactive-or-failed")},
	}
	call := conn.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1").
		CallWithContext(ctx, managerInterface+"StartTransientUnit", 0, name, "fail", properties, []auxiliary{})
	if call.Err != nil {
		return fmt.Errorf("make scope %s: %w", name, call.Err)
	}
	return nil
}
