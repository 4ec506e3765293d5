package userdata

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hostler-os/hostler/internal/paths"
)

// Host is where providers look.
type Host struct {
	Root  paths.Root
	IMDS  *IMDS                                                                         // nil: nobody to ask, as in a sandbox
	Guest func(ctx context.Context, variable string) (value string, ok bool, err error) // nil: [VMwareTools] of Root
}

// Found is what a provider had. Without Raw there was nothing.
type Found struct {
	Source string // for people: a path, or "EC2 IMDS"
	Raw    []byte // a document as it arrived
	Reason string // why there is nothing, where that is not plain
}

// A Provider fetches one document. It fails only if there is one, or may be
// one, that it cannot bring.
type Provider interface {
	Fetch(ctx context.Context, h *Host) (Found, error)
}

// fetch makes a function a Provider.
type fetch func(context.Context, *Host) (Found, error)

func (f fetch) Fetch(ctx context.Context, h *Host) (Found, error) { return f(ctx, h) }

// table is all providers by their names, in their order: documents of later
// ones win. The numbers are those of the reference's links.
var table = []struct {
	order, name string
	provider    Provider
}{
	{"10", "local-defaults", file("/local/user-data-defaults.toml")},
	{"20", "local-user-data", file("/var/lib/bottlerocket/user-data.toml")},
	{"30", "ec2-identity-doc", fetch(identityDocument)},
	{"30", "vmware-cd-rom", fetch(cdROM)},
	{"40", "ec2-imds", fetch(imdsUserData)},
	{"40", "vmware-guestinfo", fetch(guestinfo)},
	{"99", "local-overrides", file("/local/user-data-overrides.toml")},
}

// Defaults are the providers of a variant that names none: those every variant has.
func Defaults() []string { return []string{"local-defaults", "local-user-data", "local-overrides"} }

// Names are all providers, in their order.
func Names() []string {
	names := make([]string, len(table))
	for i, p := range table {
		names[i] = p.name
	}
	return names
}

// CheckNames says which of a list of providers does not exist.
func CheckNames(names []string) error {
	for _, name := range names {
		if !slices.Contains(Names(), name) {
			return fmt.Errorf("there is no provider '%s'; there are %s", name, strings.Join(Names(), ", "))
		}
	}
	return nil
}

// Result is what became of one provider.
type Result struct {
	Provider string
	Found
	Document *Document // nil: there is none, or Err
	Took     time.Duration
	Err      error
}

// Gather asks the named providers, all at once, and returns their results in
// the order of the table, whatever the order of the names.
func Gather(ctx context.Context, h *Host, names []string) []Result {
	var results []Result
	for _, p := range table {
		if slices.Contains(names, p.name) {
			results = append(results, Result{Provider: p.name})
		}
	}
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() { results[i].ask(ctx, h) })
	}
	wg.Wait()
	return results
}

func (r *Result) ask(ctx context.Context, h *Host) {
	began := time.Now()
	i := slices.Index(Names(), r.Provider)
	if r.Found, r.Err = table[i].provider.Fetch(ctx, h); r.Err == nil {
		r.Document, r.Err = Read(r.Raw)
	}
	if r.Err == nil && r.Document == nil && r.Reason == "" && r.Raw != nil {
		r.Reason = "it is empty"
	}
	r.Took = time.Since(began)
}
