package apply

import (
	"slices"

	"github.com/hostler-os/hostler/internal/key"
)

// affected is which services a set of keys concerns.
type affected struct {
	services []string             // in the order in which to restart them
	because  map[string][]key.Key // the keys that concern a service, sorted
	warnings []string
}

// affects finds the services that sorted keys concern.
func (e *Engine) affects(keys []key.Key) affected {
	a := affected{because: map[string][]key.Key{}}
	var lists [][]string
	for _, k := range keys {
		list := e.knownServices(k, e.cfg.Model.AffectedServices(k), &a.warnings)
		for _, name := range list {
			a.because[name] = append(a.because[name], k)
		}
		lists = append(lists, list)
	}
	a.services = order(lists)
	return a
}

// affectsAll is every service of the model.
func (e *Engine) affectsAll() affected {
	var a affected
	var lists [][]string
	for k := range e.cfg.Model.MetadataAll("affected-services") {
		lists = append(lists, e.knownServices(k, e.cfg.Model.AffectedServices(k), &a.warnings))
	}
	for name := range e.cfg.Model.Services() {
		lists = append(lists, []string{name})
	}
	a.services = order(lists)
	slices.Sort(a.warnings)
	return a
}

// knownServices leaves out services that the variant does not have: metadata
// that is shared by several variants may name them.
func (e *Engine) knownServices(k key.Key, names []string, warnings *[]string) []string {
	known := make([]string, 0, len(names))
	for _, name := range names {
		if _, ok := e.cfg.Model.Services()[name]; ok {
			known = append(known, name)
			continue
		}
		warn(warnings, "%s concerns the service %s, which variant %s does not have", k, name, e.cfg.Model.Variant())
	}
	return known
}

// order merges lists of services into one that keeps the order of each list
// (what writes certificates before what reads them) and is by name otherwise.
// Where lists contradict each other, the name decides.
func order(lists [][]string) []string {
	before := map[string]map[string]bool{} // service → those that come before it
	for _, list := range lists {
		for i, name := range list {
			if before[name] == nil {
				before[name] = map[string]bool{}
			}
			if i > 0 && list[i-1] != name {
				before[name][list[i-1]] = true
			}
		}
	}
	left := make([]string, 0, len(before))
	for name := range before {
		left = append(left, name)
	}
	slices.Sort(left)
	ordered := make([]string, 0, len(left))
	for len(left) > 0 {
		i := max(0, slices.IndexFunc(left, func(name string) bool { return len(before[name]) == 0 }))
		name := left[i]
		left = slices.Delete(left, i, i+1)
		ordered = append(ordered, name)
		for _, others := range before {
			delete(others, name)
		}
	}
	return ordered
}
