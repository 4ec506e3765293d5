package migrate

import (
	"context"
	"strings"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/refmigrate"
	"github.com/hostler-os/hostler/migration"
)

// foreign lets a migration of the reference migrate what the one before it has
// answered. It needs the checked document, not its text, so nothing goes on
// beside it. It returns what run needs to go on.
func (r *runner) foreign(ctx context.Context, step Step, s started, last verdict) (verdict, *message, error) {
	defer s.program.Close() // memory that was only read
	doc, err := last()
	if err != nil {
		return nil, nil, err
	}
	report := api.MigrationStep{Name: step.Name, SHA256: step.SHA256, Reference: true}
	err = r.migrateForeign(ctx, step, s, doc, &report)
	if err != nil {
		report.Error = err.Error()
	}
	r.report.Steps = append(r.report.Steps, report)
	if err != nil {
		return nil, nil, err
	}
	return r.rewritten(judged(doc))
}

func (r *runner) migrateForeign(ctx context.Context, step Step, s started, doc *migration.Document, report *api.MigrationStep) error {
	doc.OS = r.image
	if err := r.lend(doc.Live); err != nil {
		return err
	}
	defer r.takeBack(doc.Live)
	m := refmigrate.Migration{Program: s.program, Sandbox: r.sandbox, Direction: r.direction()}
	out, err := refmigrate.Run(ctx, m, doc)
	r.missing(out.Missing)
	report.Took, report.CPU, report.Message = out.Took, out.CPU, out.Message
	r.tell(step, out.Message)
	if len(out.Ignored) > 0 {
		r.log.Warn("migration wrote files that are no settings; they are left out", "migration", step.Name, "files", strings.Join(out.Ignored, ", "))
	}
	return failure(step, err)
}

// lend adds the metadata setting-generator of the image that has made the
// settings. Of the reference's migrations, those for new templates look whether a
// setting is made from the old one, and then whether the value is what it
// renders; without it they would leave the old value. The next of them must see
// what the one before has put there.
func (r *runner) lend(s *migration.Store) error {
	for k, value := range r.generators {
		if _, has := s.Metadata(string(k), model.MetadataSettingGenerator); has {
			delete(r.generators, k) // the document has its own
			continue
		}
		if err := s.SetMetadata(string(k), model.MetadataSettingGenerator, value); err != nil {
			return err
		}
	}
	return nil
}

// takeBack keeps what was lent from the document: it is the image's.
func (r *runner) takeBack(s *migration.Store) {
	for k := range r.generators {
		value, has := s.Metadata(string(k), model.MetadataSettingGenerator)
		if !has {
			delete(r.generators, k)
			continue
		}
		r.generators[k] = value
		s.DeleteMetadata(string(k), model.MetadataSettingGenerator)
	}
}
