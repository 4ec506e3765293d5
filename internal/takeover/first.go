package takeover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/refstore"
)

// First takes over the settings of a host that ran the reference until now: if
// there is a datastore of the reference and never was one of ours. It is for
// the boot, before anything else opens the datastore. Nothing is merged, and
// the reference's files stay as they are, for the way back. Values that the
// model, which is loaded only then, refuses are kept, and logged. The report is nil if there is nothing to
// take over.
func First(ctx context.Context, root paths.Root, load func() (*model.Model, error), o Options) (*Report, error) {
	o = o.filled()
	o.Lenient, o.BootID = true, ""
	if had, err := hadOurs(root.Datastore()); had || err != nil {
		return nil, err
	}
	if _, err := os.Lstat(filepath.Join(root.ReferenceDatastore(), "current")); err != nil {
		return nil, nil
	}
	m, err := load()
	if err != nil {
		return nil, fmt.Errorf("take over the settings of this host: %w", err)
	}
	o.Model = m
	report, err := Import(ctx, root.ReferenceDatastore(), root.Datastore(), o)
	if errors.Is(err, refstore.ErrNone) {
		return nil, nil
	}
	if err != nil {
		return report, fmt.Errorf("take over the settings of this host: %w", err)
	}
	for _, r := range report.Refused {
		o.Log.Warn("taken over without effect: the model refuses it", "key", r.Key, "why", r.Message)
	}
	o.Log.Info("took over the settings of this host", "from", root.ReferenceDatastore(), "version", report.Version,
		"settings", len(report.User)+len(report.Generated), "defaults", len(report.Defaults), "refused", len(report.Refused))
	return report, nil
}

// hadOurs tells whether there is, or was, a datastore of ours: its file, or
// what is kept beside it. Its lock alone says nothing.
func hadOurs(path string) (bool, error) {
	found, err := filepath.Glob(path + "*")
	for _, name := range found {
		if !strings.HasSuffix(name, ".lock") {
			return true, nil
		}
	}
	return false, err
}
