package model

import (
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/nearest"
)

// takeTables makes services and configuration files.
func (l *loader) takeTables() {
	l.model.services = map[string]Service{}
	l.model.configs = map[string]ConfigurationFile{}
	l.each("services", func(name string, table map[string]any) {
		var s Service
		l.fields([]string{"services", name}, table, []field{
			{"configuration-files", &s.ConfigurationFiles, true},
			{"restart-commands", &s.RestartCommands, true},
		})
		l.model.services[name] = s
	})
	l.each("configuration-files", func(name string, table map[string]any) {
		var f ConfigurationFile
		at := []string{"configuration-files", name}
		l.fields(at, table, []field{
			{"path", &f.Path, true},
			{"template-path", &f.TemplatePath, true},
			{"mode", &f.Mode, false},
			{"owner", &f.Owner, false},
			{"private", &f.Private, false},
		})
		l.checkConfigurationFile(at, f)
		l.model.configs[name] = f
	})
}

// each calls do for the tables of an area, by name.
func (l *loader) each(area string, do func(string, map[string]any)) {
	tables, ok := l.table(area)
	if !ok {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		table, ok := tables[name].(map[string]any)
		if !ok {
			l.problemAt([]string{area, name}, "it must be a table")
			continue
		}
		if _, err := key.FromSegments(area, name); err != nil {
			l.problemAt([]string{area, name}, err.Error())
		}
		do(name, table)
	}
}

// field is a member of a table and where its value goes: a *string, a *bool or a *[]string.
type field struct {
	name     string
	to       any
	required bool
}

// fields reads the members of the table at a place.
func (l *loader) fields(at []string, table map[string]any, fields []field) {
	var names []string
	for _, f := range fields {
		names = append(names, f.name)
		v, given := table[f.name]
		if !given {
			if f.required {
				l.problemAt(at, "missing field `"+f.name+"`")
			}
			continue
		}
		ok := false
		want := "a string without line breaks"
		switch to := f.to.(type) {
		case *string:
			*to, ok = v.(string)
			ok = ok && !strings.ContainsAny(*to, "\n\r")
		case *bool:
			*to, ok = v.(bool)
			want = "true or false"
		case *[]string:
			*to, ok = stringList(v)
			want = "a list of strings"
		}
		if !ok {
			l.problemAt(append(slices.Clone(at), f.name), "it must be "+want)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if !slices.Contains(names, name) {
			l.problemAt(append(slices.Clone(at), name), "unknown field `"+name+"`, "+oneOf(names))
		}
	}
}

func (l *loader) checkConfigurationFile(at []string, f ConfigurationFile) {
	for name, p := range map[string]string{"path": f.Path, "template-path": f.TemplatePath} {
		if p != "" && (!path.IsAbs(p) || path.Clean(p) != p) {
			l.problemAt(append(slices.Clone(at), name), "it must be an absolute path without . and ..")
		}
	}
	if f.Mode != "" {
		if _, err := ParseMode(f.Mode); err != nil {
			l.problemAt(append(slices.Clone(at), "mode"), "it must be octal digits, such as 0644")
		}
		if f.Private {
			l.problemAt(append(slices.Clone(at), "private"), "it says the same as mode; give one of them")
		}
	}
}

// problemAt notes a problem at a place of the merged tables.
func (l *loader) problemAt(at []string, message string) {
	f := l.last(at)
	text := strings.Join(at, ".")
	if k, err := key.FromSegments(at...); err == nil {
		text = string(k)
	}
	l.problem(Problem{File: f.name, Line: f.line(at...), Key: text, Message: message})
}

// takeMetadata makes the metadata: in [metadata] every string or list is an
// item; the last part of its path is its name, the rest its key.
func (l *loader) takeMetadata() {
	l.model.metadata = map[string]map[key.Key]json.RawMessage{}
	table, ok := l.table("metadata")
	if !ok {
		return
	}
	l.metadataTable(nil, table)
}

func (l *loader) metadataTable(at []string, table map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(table)) {
		here := append(slices.Clone(at), name)
		sub, isTable := table[name].(map[string]any)
		switch {
		case name == MetadataSettingGenerator:
			l.generator(here, table[name])
		case isTable:
			l.metadataTable(here, sub)
		default:
			l.metadataItem(here, table[name])
		}
	}
}

// generator checks setting-generator: a command line, or a table.
func (l *loader) generator(at []string, v any) {
	full := append([]string{"metadata"}, at...)
	if table, ok := v.(map[string]any); ok {
		l.generatorTable(full, table)
	} else if _, ok := v.(string); !ok {
		l.problemAt(full, "it must be a command line or a table with `command`")
	}
	l.addMetadata(at, v)
}

func (l *loader) generatorTable(at []string, table map[string]any) {
	rest := maps.Clone(table)
	if depth, given := rest["depth"]; given {
		if n, ok := depth.(int64); !ok || n < 0 {
			l.problemAt(append(slices.Clone(at), "depth"), "it must be a whole number that is not negative")
		}
	}
	if skip, given := rest["skip-if-populated"]; given {
		if _, ok := skip.(bool); !ok {
			l.problemAt(append(slices.Clone(at), "skip-if-populated"), "it must be a boolean")
		}
	}
	l.generatorExtras(at, rest)
	delete(rest, "depth")
	delete(rest, "skip-if-populated")
	var command, strength string
	l.fields(at, rest, []field{{"command", &command, true}, {"strength", &strength, false}})
	if strength != "" && strength != "weak" && strength != "strong" {
		l.problemAt(append(slices.Clone(at), "strength"), "it must be weak or strong")
	}
}

func (l *loader) metadataItem(at []string, v any) {
	full := append([]string{"metadata"}, at...)
	name := at[len(at)-1]
	switch v := v.(type) {
	case string:
		if name == MetadataAffectedServices {
			l.problemAt(full, "it must be a list of names of services")
		}
	case []any:
		if _, ok := stringList(v); !ok || name == MetadataTemplate {
			l.problemAt(full, "it must be "+map[bool]string{true: "a string", false: "a list of strings"}[name == MetadataTemplate])
		}
	default:
		l.problemAt(full, "Default settings' metadata has unexpected types: it is "+tomlKind(v)+", expected a string or a list")
	}
	l.addMetadata(at, v)
}

// addMetadata files a value under its name and its key.
func (l *loader) addMetadata(at []string, v any) {
	full := append([]string{"metadata"}, at...)
	if len(at) < 2 {
		l.problemAt(full, "metadata belongs to a key, such as [metadata.settings.motd]")
		return
	}
	name, segments := at[len(at)-1], at[:len(at)-1]
	k, err := key.FromSegments(segments...)
	if err != nil {
		l.problemAt(full, err.Error())
		return
	}
	if segments[0] == root {
		if l.ofOtherVariant(full) {
			return
		}
		if k, err = l.model.canonical(k); err != nil {
			l.problemAt(full, "its key is not in the model: "+err.Error())
			return
		}
	}
	value, err := api.Marshal(v)
	if err != nil {
		l.problemAt(full, err.Error())
		return
	}
	if l.model.metadata[name] == nil {
		l.model.metadata[name] = map[key.Key]json.RawMessage{}
	}
	l.model.metadata[name][k] = value
}

// ofOtherVariant tells whether an item of metadata is of a group that this
// variant does not have. A fragment in the variant's folder may be shared by
// several variants, as those of the reference are. A name that is one letter
// off is a misspelling all the same.
func (l *loader) ofOtherVariant(at []string) bool {
	if len(at) < 3 || path.Dir(l.last(at).name) != l.fragments() {
		return false
	}
	group := at[2]
	return !slices.ContainsFunc(l.groups, func(known string) bool { return nearest.Distance(group, known, 2) < 2 })
}

// checkReferences makes sure that every service and file that is named exists.
func (l *loader) checkReferences() {
	affected := l.model.metadata[MetadataAffectedServices]
	services := slices.Sorted(maps.Keys(l.model.services))
	for _, k := range slices.Sorted(maps.Keys(affected)) {
		for _, name := range l.model.AffectedServices(k) {
			l.mustExist(append([]string{"metadata"}, append(k.Segments(), MetadataAffectedServices)...), "services", name, services)
		}
	}
	files := slices.Sorted(maps.Keys(l.model.configs))
	for _, service := range services {
		for _, name := range l.model.services[service].ConfigurationFiles {
			l.mustExist([]string{"services", service, "configuration-files"}, "configuration-files", name, files)
		}
	}
}

func (l *loader) mustExist(at []string, area, name string, known []string) {
	if slices.Contains(known, name) {
		return
	}
	message := strconv.Quote(name) + " has no table [" + area + "." + name + "]"
	if near := nearest.Name(name, known); near != "" {
		message += "; did you mean " + strconv.Quote(near) + "?"
	}
	l.problemAt(at, message)
}
