package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/service"
	"github.com/hostler-os/hostler/internal/template"
)

const (
	// diffLimit is the largest file that a plan shows a difference of, and
	// the largest difference shown, in bytes.
	diffLimit = 64 << 10

	// formerLimit bounds the bytes of former files in one change's record.
	formerLimit = 8 << 20

	// unitFolder holds files that systemd reads only when told to.
	unitFolder = "/etc/systemd/"
)

// draft is a change worked out in memory: everything is rendered and compared,
// nothing is touched.
type draft struct {
	edits   datastore.Edits
	heirs   []heir     // of the change that is undone
	pending []key.Pair // what the transaction held that was folded into edits
	before  *datastore.Snapshot
	after   *datastore.Snapshot
	secrets secrets
	files   []*file // by name
	faults  []fault
	refused bool // because of its faults nothing is applied, although the settings are kept
	plan    api.Plan
}

// file is one configuration file, rendered.
type file struct {
	name     string
	model    model.ConfigurationFile
	services []string // that read it, sorted
	target   string   // host path with links followed
	want     content
	disk     content
	record   fileRecord // of its last writing
	groups   []string   // settings groups that its template may see
	change   api.FileChange
	written  bool // by now it is as it shall be
}

func (f *file) differs() bool { return f.change.Action != api.FileUnchanged }

// fault is a file that cannot be rendered, or compared.
type fault struct {
	file string
	err  error
}

// draft works out a request on the store's present settings.
func (e *Engine) draft(ctx context.Context, r Request) (*draft, error) {
	d, err := e.draftEdits(r)
	if err != nil || r.CommitOnly {
		return d, err
	}
	return d, e.draftFiles(ctx, r, d)
}

// draftEdits finds out which settings change.
func (e *Engine) draftEdits(r Request) (*draft, error) {
	d := &draft{before: e.cfg.Store.Snapshot(), edits: r.Edits}
	if r.undoes != nil {
		reversal, err := e.inverse(r.undoes, d.before)
		if err != nil {
			return nil, err
		}
		d.edits, d.heirs = reversal.edits, reversal.heirs
		if err := e.checkRestored(r, d.edits); err != nil {
			return nil, err
		}
	}
	if r.takesPending() {
		d.pending = e.cfg.Store.Pending(r.Transaction)
		d.edits = fold(d.edits, d.pending)
		d.edits.Weak = stillPending(e.cfg.Store.PendingWeak(r.Transaction), r.Edits)
	}
	if d.edits.Layer == "" {
		d.edits.Layer = api.LayerUser
	}
	d.after = d.before.With(d.edits)
	d.secrets = findSecrets(e.cfg.Model, d.before, d.after)
	d.plan = api.Plan{
		Edits: maskedEdits(e.cfg.Model, d.edits, d.before, d.after),
		Files: []api.FileChange{}, Restarts: []api.Restart{},
	}
	return d, e.checkSubstance(r, d)
}

// checkRestored refuses to undo what was done when the settings were of another
// version, whose values may be none of this one's. A try never outlives its version.
func (e *Engine) checkRestored(r Request, edits datastore.Edits) error {
	if r.expiring != nil {
		return nil
	}
	for _, p := range edits.Set {
		if err := e.cfg.Model.Check(p); err != nil {
			return &api.Error{
				Code: api.CodeConflict, Key: string(p.Key),
				Message: fmt.Sprintf("change %d cannot be undone, what was before it does not fit this version: %v", r.undoes.Change.ID, err),
				Hint:    fmt.Sprintf("apiclient changes %d shows what it was; set it as this version has it", r.undoes.Change.ID),
			}
		}
	}
	return nil
}

// checkSubstance refuses requests that ask for nothing.
func (e *Engine) checkSubstance(r Request, d *draft) error {
	switch {
	case !empty(d.edits), r.expiring != nil:
		return nil
	case r.undoes != nil:
		return conflict("", "nothing is left to undo of change %d: everything that it set has been changed again", r.undoes.Change.ID)
	case r.takesPending(), r.CommitOnly:
		return &api.Error{Code: api.CodeNothingPending, Message: "Tried to commit with no pending changes"}
	case len(r.Apply) == 0 && !r.ApplyAll:
		return &api.Error{Code: api.CodeInvalid, Message: "the change is empty", Hint: "give settings to set or to unset, or keys to apply"}
	}
	return nil
}

// draftFiles renders the files of the services concerned, compares them with
// the disk, and finds out which commands must run.
func (e *Engine) draftFiles(ctx context.Context, r Request, d *draft) error {
	keys := r.applied(d.edits)
	concerned := e.affects(keys)
	if r.ApplyAll {
		concerned = e.affectsAll()
	}
	d.plan.Warnings = concerned.warnings
	d.collect(e.cfg.Model, concerned.services, r.ApplyAll)
	if err := e.render(ctx, d, r.Keep); err != nil {
		return err
	}
	if len(d.faults) > 0 && !r.lenient() && !r.Keep {
		return d.renderError()
	}
	if len(d.faults) > 0 && !r.lenient() {
		d.files, d.refused = nil, true // as the reference does: one that fails, and nothing is written
		return nil
	}
	d.planFiles()
	d.planRestarts(e.cfg.Model, concerned, r.ApplyAll)
	return d.checkSize()
}

// collect finds the files of services, each once, by name; all files if asked for.
func (d *draft) collect(m *model.Model, services []string, all bool) {
	found := map[string]*file{}
	need := func(name, of string) {
		known, ok := m.ConfigurationFiles()[name]
		if !ok {
			warn(&d.plan.Warnings, "the service %s names the file %s, which variant %s does not have", of, name, m.Variant())
			return
		}
		if found[name] == nil {
			found[name] = &file{name: name, model: known}
		}
	}
	for _, s := range services {
		for _, name := range m.Services()[s].ConfigurationFiles {
			need(name, s)
		}
	}
	if all {
		for name := range m.ConfigurationFiles() {
			need(name, "")
		}
	}
	for name, f := range found {
		f.services = readers(m, name)
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		d.files = append(d.files, found[name])
	}
}

// readers are the services that have a file among theirs, sorted.
func readers(m *model.Model, name string) []string {
	var names []string
	for s, v := range m.Services() {
		if slices.Contains(v.ConfigurationFiles, name) {
			names = append(names, s)
		}
	}
	slices.Sort(names)
	return names
}

// render renders all files and compares them with the disk. Those that cannot
// be rendered become faults and are dropped. So do those that cannot be
// compared, if the settings are kept; else they could not be restored.
func (e *Engine) render(ctx context.Context, d *draft, keep bool) error {
	os, err := e.cfg.OS()
	if err != nil {
		return fmt.Errorf("read facts for templates: %w", err)
	}
	v := &view{state: d.after, groups: map[string]any{}, os: os, system: e.cfg.System}
	kept := d.files[:0]
	for _, f := range d.files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := e.prepare(f, v); err != nil {
			d.faults = append(d.faults, fault{f.name, err})
			continue
		}
		switch err := e.look(f); {
		case err != nil && keep:
			d.faults = append(d.faults, fault{f.name, lookError(f, err)})
			continue
		case err != nil:
			return lookError(f, err)
		}
		kept = append(kept, f)
	}
	d.files = kept
	return nil
}

// prepare works out what a file shall be.
func (e *Engine) prepare(f *file, v *view) error {
	tmpl, err := e.templates.load(f.model.TemplatePath)
	if err != nil {
		return place(f.name, err)
	}
	f.groups = groupsOf(tmpl)
	data, err := v.render(tmpl)
	if err == nil {
		err = checkFormat(tmpl.EscapeMode(), f.model.Path, data)
	}
	if err != nil {
		return place(f.name, err)
	}
	mode, err := model.ParseMode(f.model.Permissions())
	if err != nil {
		return place(f.name, err)
	}
	uid, gid, err := e.disk.owner(f.model.Owner)
	if err != nil {
		return place(f.name, err)
	}
	f.want = content{Exists: true, Mode: mode, UID: uid, GID: gid, Data: data}
	return nil
}

// look reads what a file is now, on disk and in the store's memory.
func (e *Engine) look(f *file) (err error) {
	if f.target, err = e.disk.resolve(f.model.Path); err != nil {
		return err
	}
	if root := e.cfg.Root; strings.HasPrefix(root.Join(f.target)+"/", root.State()+"/") {
		return fmt.Errorf("%s lies in the suite's own folder", f.target)
	}
	if f.disk, err = e.disk.read(f.target); err != nil {
		return err
	}
	if f.record, err = e.fileRecord(f.target); err != nil {
		return err
	}
	f.change = api.FileChange{
		Name: f.name, Path: f.model.Path, Mode: formatMode(f.want.Mode), Action: e.disk.action(f.disk, f.want),
	}
	if f.differs() {
		f.change.Edited, f.change.ModeEdited = f.record.edited(f.disk)
	}
	return nil
}

// lookError says that a file cannot be compared, so that undoing would be impossible.
func lookError(f *file, err error) error {
	e := &api.Error{Code: api.CodeApplyFailed, Message: fmt.Sprintf("compare %s: %v", f.name, err), Hint: "nothing was changed"}
	if errors.Is(err, durable.ErrTooLarge) {
		e.Code = api.CodeTooLarge
		e.Hint = "to be able to undo, the former file is kept; move it out of the way"
	}
	return e
}

func (d disk) action(is, want content) api.FileAction {
	switch {
	case !is.Exists:
		return api.FileCreate
	case string(is.Data) != string(want.Data):
		return api.FileUpdate
	case !d.sameAttributes(is, want):
		return api.FileAttributes
	}
	return api.FileUnchanged
}

// planFiles fills in the plan's files and what is to be said of them.
func (d *draft) planFiles() {
	for _, f := range d.files {
		f.change.Hidden = d.secrets.in(f.groups) || f.record.Secret
		if f.differs() && !f.change.Hidden {
			f.change.Diff = unified(f)
		}
		if f.change.ModeEdited {
			warn(&d.plan.Warnings, "the mode of %s was changed by hand to %s since it was last written; it becomes %s", f.model.Path, formatMode(f.disk.Mode), f.change.Mode)
		}
		if f.change.Edited {
			warn(&d.plan.Warnings, "%s was edited by hand since it was last written; a copy of it goes to %s", f.model.Path, paths.Host.Edited())
		}
		d.plan.Files = append(d.plan.Files, f.change)
	}
	for _, f := range d.faults {
		warn(&d.plan.Warnings, "%s is left as it is: %s", f.file, d.secrets.redact(f.err.Error()))
	}
}

// unified is the difference between a file on disk and as it shall be.
func unified(f *file) string {
	if len(f.disk.Data) > diffLimit || len(f.want.Data) > diffLimit {
		return ""
	}
	old, name := "a"+f.model.Path, "b"+f.model.Path
	if !f.disk.Exists {
		old = "/dev/null"
	}
	diff := udiff.Unified(old, name, string(f.disk.Data), string(f.want.Data))
	if len(diff) > diffLimit {
		return ""
	}
	return strings.ToValidUTF8(diff, "\uFFFD")
}

// planRestarts decides which services' commands run; see the package's comment.
func (d *draft) planRestarts(m *model.Model, a affected, all bool) {
	for _, name := range a.services {
		commands := m.Services()[name].RestartCommands
		if len(commands) == 0 || !d.restarts(name, commands, a.because[name]) {
			continue
		}
		r := api.Restart{Service: name, Commands: commands, Because: []string{}}
		if !all {
			r.Because = texts(a.because[name])
		}
		d.plan.Restarts = append(d.plan.Restarts, r)
	}
}

func (d *draft) restarts(name string, commands []string, because []key.Key) bool {
	seen, has := map[string]bool{}, false
	for _, f := range d.files {
		if !slices.Contains(f.services, name) {
			continue
		}
		if f.differs() || slices.Contains(f.record.Stale, name) {
			return true
		}
		has = true
		for _, g := range f.groups {
			seen[g] = true
		}
	}
	unseen := func(k key.Key) bool { return !seen[groupOf(k)] }
	return !has || slices.ContainsFunc(because, unseen) ||
		slices.ContainsFunc(commands, func(line string) bool { return !service.Restarts(line) })
}

func (d *draft) checkSize() error {
	total := 0
	for _, f := range d.files {
		if f.differs() {
			total += len(f.disk.Data)
		}
	}
	if total > formerLimit {
		return &api.Error{
			Code:    api.CodeTooLarge,
			Message: fmt.Sprintf("the files to replace have %d bytes; to undo a change at most %d can be kept", total, formerLimit),
			Hint:    "move files that somebody let grow out of the way",
		}
	}
	return nil
}

// renderError is the refusal of a change because of its first template that fails.
func (d *draft) renderError() error {
	return renderError(d.secrets, d.faults[0])
}

func renderError(s secrets, f fault) *api.Error {
	if known := new(api.Error); errors.As(f.err, &known) { // it cannot be compared
		return known
	}
	e := &api.Error{
		Code: api.CodeRenderFailed, Message: s.redact(f.err.Error()),
		Hint: fmt.Sprintf("the file %s needs another value or another template", f.file),
	}
	var at *template.Error
	if errors.As(f.err, &at) {
		e.Key = keyIn(at.Expr)
	}
	return e
}

// keyIn is the setting that an expression of a template names, if it does.
func keyIn(expr string) string {
	for word := range strings.FieldsFuncSeq(expr, func(r rune) bool { return strings.ContainsRune(" {}()~#/|=", r) }) {
		if k, err := key.Parse(word); err == nil && k.Within("settings") {
			return string(k)
		}
	}
	return ""
}

// units tells whether systemd must read its units again after these files changed.
func units(targets []string) bool {
	return slices.ContainsFunc(targets, func(t string) bool { return strings.HasPrefix(t, unitFolder) })
}

// warn adds a warning, unless it is there already.
func warn(warnings *[]string, format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(*warnings, text) {
		*warnings = append(*warnings, text)
	}
}
