// Package apiserver is the program apiserver: the daemon that owns the
// datastore, serves the API on a Unix socket and applies changes.
//
// Start with [Run], which reads the flags and wires the rooms together: model,
// datastore, service manager, engine and the HTTP server. What is here and
// nowhere else: where the socket comes from (socket.go) and what systemd is told
// (notify.go). It deliberately knows nothing of settings, routes or files.
package apiserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/api/server"
	"github.com/hostler-os/hostler/internal/apply"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/osrelease"
	"github.com/hostler-os/hostler/internal/service"
	"github.com/hostler-os/hostler/internal/template/hostfacts"
	"github.com/hostler-os/hostler/internal/updater"
)

const name = "apiserver"

// Run is the program.
func Run(ctx context.Context, args []string, s cli.Streams) int {
	o, err := parseFlags(args)
	switch {
	case errors.Is(err, errHelp):
		fmt.Fprint(s.Out, usage)
		return cli.ExitOK
	case errors.Is(err, errVersion):
		cli.PrintVersion(s.Out, name)
		return cli.ExitOK
	case err != nil:
		fmt.Fprintf(s.Err, "%s: %v\nhint: %s --help shows how it is used\n", name, err, name)
		return cli.ExitUsage
	}
	log := cli.NewLog(s.Err, o.level.Level())
	return cli.Report(s.Err, name, run(ctx, o, log))
}

// Limits of the stop: what is in hand gets this long, then it is journalled and cut
// off. Together they are less than the unit's TimeoutStopSec.
const (
	requestTime = 10 * time.Second
	changeTime  = 40 * time.Second
)

// program is the program once it is wired; what it is made of is closed in reverse order.
type program struct {
	options
	log      *slog.Logger
	model    *model.Model
	store    *datastore.Store
	services service.Manager
	engine   *apply.Engine
	server   *server.Server
	frozen   *api.Error // why settings cannot be changed
}

func run(ctx context.Context, o options, log *slog.Logger) error {
	began := time.Now()
	if err := refuseSecond(o); err != nil {
		return err
	}
	spareTime()
	workAlone()
	p := &program{options: o, log: log}
	if err := p.open(); err != nil {
		return errors.Join(err, p.close())
	}
	listener, err := p.listen()
	if err != nil {
		return errors.Join(err, p.close())
	}
	log.Info("serving", "socket", listener.Addr().String(), "variant", p.model.Variant(),
		"settings", p.store.Snapshot().Len(), "version", cli.Version(), "took", time.Since(began))
	err = p.serve(ctx, listener)
	return errors.Join(err, p.close(), listener.release())
}

// open makes everything that the server answers from.
func (p *program) open() (err error) {
	if p.model, err = p.loadModel(); err != nil {
		return err
	}
	bootID := readBootID()
	p.store, err = datastore.Open(p.datastore, datastore.Options{
		Defaults: p.model.Defaults(),
		Secret:   p.model.Secret,
		Valid:    p.model.Check,
		BootID:   bootID,
		Losing:   p.forgetUserData,
		Earlier:  p.recovered(),
		Log:      p.log,
	})
	if err != nil {
		return explainStore(err, p.datastore)
	}
	if err := p.checkRelease(); err != nil {
		return err
	}
	if p.services, err = p.manager(); err != nil {
		return err
	}
	p.engine = apply.New(apply.Config{
		Root:     p.root,
		Store:    p.store,
		Model:    p.model,
		Services: p.services,
		OS:       p.osData,
		System:   hostfacts.Read(p.root), // nothing of a sandbox: there the same settings always give the same files
		BootID:   bootID,
		Log:      p.log,
		Now:      time.Now,
	})
	return p.makeServer()
}

func (p *program) makeServer() error {
	access, err := p.access()
	if err != nil {
		return err
	}
	u := &updates{program: p, machine: &updater.Updater{Root: p.root, Now: time.Now, Log: p.log}}
	u.reboots = p.authority(u)
	p.server, err = server.New(server.Config{
		Store:      p.store,
		Engine:     p.engine,
		Model:      p.model,
		OS:         func() (osrelease.Release, error) { return osrelease.Read(p.root) },
		Reboot:     u.reboots.Reboot,
		Access:     access,
		Log:        p.log,
		Boots:      p.boots,
		LastBoot:   p.lastBoot,
		FellBack:   p.fellBack,
		Migrations: p.migrations,
		Frozen:     p.frozen,
		Lint:       p.lint,
		Updates:    u,
		Path:       p.datastore,
		Version:    cli.Version(),
	})
	return err
}

// access is what the access file says, or the reference's rule without one.
func (p *program) access() (server.Access, error) {
	owner := uint32(os.Getuid())
	access, err := server.ReadAccess(p.root.Access(), owner)
	if !errors.Is(err, fs.ErrNotExist) {
		return access, err
	}
	if p.socketGID >= 0 {
		return server.DefaultAccess(owner, uint32(p.socketGID)), nil
	}
	return server.DefaultAccess(owner), nil
}

// serve answers until ctx ends or the listener fails. The socket takes
// requests before recovery is over, because what is recovered may restart
// services that ask it, or that systemd starts only after it.
func (p *program) serve(ctx context.Context, l net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- p.server.Serve(l) }()
	tell(p.log, stateReady)
	defer p.startWatchdog()()
	defer p.startResting()()
	err := p.recover(ctx)
	if err == nil {
		select {
		case err = <-failed:
			failed <- nil
		case <-ctx.Done():
			p.log.Info("stopping")
		}
	}
	tell(p.log, stateStopping)
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTime)
	defer cancel()
	return errors.Join(err, p.server.Shutdown(stopping), <-failed)
}

// recover finishes or undoes what a crash interrupted, then lets writes through.
func (p *program) recover(ctx context.Context) error {
	if p.frozen != nil { // what was interrupted was of the other version
		p.server.Ready()
		return nil
	}
	if err := p.engine.Recover(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // stopped meanwhile; the next start recovers
		}
		return fmt.Errorf("recover changes: %w", err)
	}
	p.server.Ready()
	return nil
}

func (p *program) close() error {
	var errs []error
	if p.engine != nil {
		ctx, cancel := context.WithTimeout(context.Background(), changeTime)
		defer cancel()
		errs = append(errs, p.engine.Close(ctx))
	}
	if p.services != nil {
		errs = append(errs, p.services.Close())
	}
	if p.store != nil {
		errs = append(errs, p.store.Close())
	}
	return errors.Join(errs...)
}
