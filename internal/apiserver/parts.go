package apiserver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/osrelease"
	"github.com/hostler-os/hostler/internal/service"
)

// loadModel reads the model of the image's variant.
func (p *program) loadModel() (*model.Model, error) {
	share, variant := os.DirFS(p.root.Share()), p.variant
	if variant == "" {
		var err error
		if variant, err = model.ImageVariant(share); err != nil {
			return nil, &api.Error{
				Code:    api.CodeNotFound,
				Message: fmt.Sprintf("%v, in %s", err, p.root.Share()),
				Hint:    "name it with --variant, or lay out a root with: hostler sandbox new DIR --variant NAME",
			}
		}
	}
	m, err := model.Load(share, variant)
	if err != nil {
		return nil, &api.Error{
			Code:    api.CodeInvalid,
			Message: fmt.Sprintf("load model of variant %s from %s: %v", variant, p.root.Share(), err),
			Hint:    p.mendModel(),
		}
	}
	return m, nil
}

// mendModel says what can be done about a model that cannot be read.
func (p *program) mendModel() string {
	if p.root.IsSandbox() {
		return "mend it, or bring back what is built in with: hostler sandbox new --force " + string(p.root)
	}
	return "the image brings this folder; models/ and variants/ in it must fit each other"
}

// explainStore says what can be done about a datastore that does not open.
func explainStore(err error, path string) error {
	hint := "look at the disk and the permissions of " + filepath.Dir(path)
	if errors.Is(err, fs.ErrPermission) {
		hint = "apiserver must own " + filepath.Dir(path) + ": run it as root, or with a --root of your own"
	}
	return &api.Error{Code: api.CodeInternal, Message: err.Error(), Hint: hint}
}

// manager is who runs restart commands.
func (p *program) manager() (service.Manager, error) {
	if p.root.IsSandbox() {
		if err := os.MkdirAll(p.root.Run(), 0o755); err != nil {
			return nil, fmt.Errorf("make folder of the sandbox's records: %w", err)
		}
		return service.Recorder(p.root.Restarts(), p.root.Faults(), p.restartTimeout), nil
	}
	if p.onHost() {
		return service.Systemd(p.log, p.restartTimeout)
	}
	return service.Plain(p.log, p.restartTimeout), nil
}

// onHost tells whether the root is the host's, and systemd runs it.
func (p *program) onHost() bool { return p.root.IsHost() && service.SystemdRuns() }

// osData is what templates see as "os".
func (p *program) osData() (map[string]any, error) { return osrelease.Facts(p.root) }

const bootIDFile = "/proc/sys/kernel/random/boot_id"

// readBootID tells this boot from others; without it pending transactions just stay.
func readBootID() string {
	text, _ := os.ReadFile(bootIDFile)
	return strings.TrimSpace(string(text))
}
