package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

const (
	managerInterface = "org.freedesktop.systemd1.Manager."
	privateSocket    = "unix:path=/run/systemd/private"
)

// dialSystemd connects to systemd over the system bus or, as long as that is
// not there, over systemd's private socket. Neither connection ends with ctx.
func dialSystemd(ctx context.Context) (bus, error) {
	conn, err := dialWith(ctx, dialBus)
	if err == nil {
		return conn, nil
	}
	conn, privateErr := dialWith(ctx, dialPrivate)
	if privateErr != nil {
		return nil, errors.Join(err, privateErr)
	}
	return conn, nil
}

func dialWith(ctx context.Context, dial func() (*godbus.Conn, error)) (bus, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	calls, err := dial()
	if err != nil {
		return nil, err
	}
	conn, err := dbus.NewConnection(dial)
	if err != nil {
		calls.Close()
		return nil, err
	}
	return &systemBus{conn, calls}, nil
}

func dialBus() (*godbus.Conn, error) {
	conn, err := godbus.SystemBusPrivate()
	if err != nil {
		return nil, fmt.Errorf("system bus: %w", err)
	}
	return authenticate(conn, conn.Hello)
}

// dialPrivate needs no Hello: there is no bus between systemd and us.
func dialPrivate() (*godbus.Conn, error) {
	conn, err := godbus.Dial(privateSocket)
	if err != nil {
		return nil, fmt.Errorf("systemd's private socket: %w", err)
	}
	return authenticate(conn, func() error { return nil })
}

func authenticate(conn *godbus.Conn, hello func() error) (*godbus.Conn, error) {
	// The number, not the name: no user database is needed to find out who we are.
	if err := conn.Auth([]godbus.Auth{godbus.AuthExternal(strconv.Itoa(os.Getuid()))}); err != nil {
		conn.Close()
		return nil, err
	}
	if err := hello(); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// systemBus is systemd over D-Bus. calls serves what go-systemd does not offer.
type systemBus struct {
	*dbus.Conn
	calls *godbus.Conn
}

func (b *systemBus) Close() {
	b.Conn.Close()
	b.calls.Close()
}

func (b *systemBus) Connected() bool { return b.Conn.Connected() && b.calls.Connected() }

func (b *systemBus) Queue(ctx context.Context, v verb, unit string, results chan<- string) (int, error) {
	queue := map[verb]func(context.Context, string, string, chan<- string) (int, error){
		verbStart:              b.StartUnitContext,
		verbStop:               b.StopUnitContext,
		verbRestart:            b.RestartUnitContext,
		verbTryRestart:         b.TryRestartUnitContext,
		verbReload:             b.ReloadUnitContext,
		verbReloadOrRestart:    b.ReloadOrRestartUnitContext,
		verbReloadOrTryRestart: b.ReloadOrTryRestartUnitContext,
	}[v]
	return queue(ctx, unit, "replace", results)
}

func (b *systemBus) manager() godbus.BusObject {
	return b.calls.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1")
}

func (b *systemBus) Queued(ctx context.Context, job int) (bool, error) {
	err := b.manager().CallWithContext(ctx, managerInterface+"GetJob", 0, uint32(job)).Err
	var remote godbus.Error
	if errors.As(err, &remote) && remote.Name == "org.freedesktop.systemd1.NoSuchJob" {
		return false, nil
	}
	return err == nil, err
}

func (b *systemBus) Cancel(ctx context.Context, job int) error {
	return b.manager().CallWithContext(ctx, managerInterface+"CancelJob", 0, uint32(job)).Err
}

func (b *systemBus) State(ctx context.Context, unit string) (unitState, error) {
	properties, err := b.GetAllPropertiesContext(ctx, unit)
	if err != nil {
		return unitState{}, err
	}
	text := func(name string) string { s, _ := properties[name].(string); return s }
	status, _ := strconv.ParseInt(fmt.Sprint(properties["ExecMainStatus"]), 10, 32)
	return unitState{
		Load: text("LoadState"), Active: text("ActiveState"), Sub: text("SubState"),
		Result: text("Result"), MainStatus: int32(status),
	}, nil
}

func (b *systemBus) ResetFailed(ctx context.Context, unit string) error {
	return b.ResetFailedUnitContext(ctx, unit)
}

func (b *systemBus) Files(ctx context.Context, v verb, units []string) error {
	if v == verbDisable {
		_, err := b.DisableUnitFilesContext(ctx, units, false)
		return err
	}
	_, _, err := b.EnableUnitFilesContext(ctx, units, false, false)
	return err
}

func (b *systemBus) Reload(ctx context.Context) error { return b.ReloadContext(ctx) }
