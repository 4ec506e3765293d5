package apiserver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/bootlog"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/osrelease"
	"github.com/hostler-os/hostler/internal/update/journal"
	"github.com/hostler-os/hostler/internal/userdata"
)

// forgetUserData has the next boot load user data again: what says that it was
// loaded must not outlive the datastore that has it.
func (p *program) forgetUserData() error {
	return durable.Remove(durable.OS{}, p.root.UserDataLoaded())
}

// recovered is what the migrator, which comes first in a boot, had to do to the
// datastore; nil if it was sound.
func (p *program) recovered() *datastore.Recovery {
	if p.datastore != p.root.Datastore() {
		return nil
	}
	r, err := datastore.ReadRecovery(p.root.Recovered())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.log.Warn("what was done to a damaged datastore is not known", "err", err)
	}
	return r
}

// boots are the reports of the last boots.
func (p *program) boots() ([]api.Boot, error) { return bootlog.List(p.root, readBootID()) }

// lastBoot is the report of the running boot; nil without one.
func (p *program) lastBoot() *api.Boot {
	last, err := bootlog.Last(p.root, readBootID())
	if err != nil {
		return nil
	}
	return &last
}

// fellBack tells of an update from which the host has come back; what became of
// it has been settled by hostler health, in the boot that followed.
func (p *program) fellBack() string {
	running, _ := osrelease.Read(p.root) // without one, it is told to be on the safe side
	a := journal.Load(p.root, p.log).FellBack(running.VersionID)
	if a == nil {
		return ""
	}
	text := fmt.Sprintf("the update to %s did not boot well, and the host went back to %s", a.Version, a.From)
	if a.Error != "" {
		text += ": " + a.Error
	}
	return text + "; see apiclient update history"
}

// lint judges user data by the model of a variant of this image.
func (p *program) lint(variant string, doc []byte) (api.LintResult, error) {
	m := p.model
	if variant != "" && variant != m.Variant() {
		var err error
		if m, err = model.Load(os.DirFS(p.root.Share()), variant); err != nil {
			return api.LintResult{}, &api.Error{
				Code: api.CodeInvalid, Message: fmt.Sprintf("load model of variant %s: %v", variant, err),
				Hint: "this host's image brings the variants that it can judge by",
			}
		}
	}
	result := userdata.Lint(doc, m.ParseTree)
	result.Variant = m.Variant()
	return result, nil
}
