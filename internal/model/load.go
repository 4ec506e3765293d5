package model

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/nearest"
)

// What is read of a file, in bytes.
const (
	maxTOMLFile    = 1 << 20 // of defaults
	maxVariantName = 4 << 10
)

// Problem is one fault of the model's files.
type Problem struct {
	File    string
	Line    int    // 1-based; 0 unknown
	Key     string // the full key in the file, such as services.motd; may be empty
	Message string
	Hint    string
}

func (p Problem) String() string {
	text := p.File
	if p.Line > 0 {
		text += ":" + strconv.Itoa(p.Line)
	}
	if p.Key != "" {
		text += ": " + p.Key
	}
	text += ": " + p.Message
	if p.Hint != "" {
		text += " (" + p.Hint + ")"
	}
	return text
}

// LoadError is everything that is wrong with the files of a model, at least
// one problem.
type LoadError struct{ Problems []Problem }

func (e *LoadError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.String()
	}
	return strings.Join(texts, "\n")
}

// Variants lists the names of the variants in share, sorted.
func Variants(share fs.FS) ([]string, error) {
	entries, err := fs.ReadDir(share, "variants")
	if err != nil {
		return nil, fmt.Errorf("list variants: %w", err)
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".toml"); ok && !e.IsDir() {
			names = append(names, name)
		}
	}
	return names, nil
}

// ImageVariant reads which variant the image is, from the file variant in share.
func ImageVariant(share fs.FS) (string, error) {
	name, err := readFile(share, "variant", maxVariantName)
	if err != nil {
		return "", fmt.Errorf("read variant of the image: %w", err)
	}
	return strings.TrimSpace(string(name)), nil
}

// Load reads variants/NAME.toml and the groups it names (models/GROUP/) from
// share. Faults of the files are a *[LoadError] that lists them all.
func Load(share fs.FS, variant string) (*Model, error) {
	if err := checkVariant(share, variant); err != nil {
		return nil, err
	}
	l := &loader{share: share, model: &Model{variant: variant, files: map[string][]byte{}}}
	l.load()
	if len(l.problems) > 0 {
		return nil, &LoadError{l.problems}
	}
	return l.model, nil
}

func checkVariant(share fs.FS, variant string) error {
	names, err := Variants(share)
	if err != nil {
		return err
	}
	if slices.Contains(names, variant) {
		return nil
	}
	text := "there is no variant " + strconv.Quote(variant) + "; there are " + strings.Join(names, ", ")
	if hint := didYouMean(nearest.Name(variant, names)); hint != "" {
		text += "; " + hint
	}
	return errors.New(text)
}

// loader collects what Load finds. Each step runs only when the steps before
// it found no problem, since its own would only repeat them.
type loader struct {
	share    fs.FS
	model    *Model
	groups   []string
	files    []*tomlFile // in merge order
	merged   map[string]any
	problems []Problem
}

func (l *loader) load() {
	for _, step := range []func(){
		l.readVariant, l.readSchemas, l.readDefaults, l.merge, l.takeSettings, l.takeTables, l.takeMetadata, l.checkReferences,
	} {
		if step(); len(l.problems) > 0 {
			return
		}
	}
}

func (l *loader) problem(p Problem) { l.problems = append(l.problems, p) }

// fail notes an error that already names its file.
func (l *loader) fail(file string, err error) {
	l.problem(Problem{File: file, Message: strings.TrimPrefix(err.Error(), file+": ")})
}

// readVariant reads the variant's file; the tables in it are merged last.
func (l *loader) readVariant() {
	f, err := readTOML(l.share, path.Join("variants", l.model.variant+".toml"))
	if err != nil {
		l.fail("variants/"+l.model.variant+".toml", err)
		return
	}
	l.files = []*tomlFile{f}
	groups, ok := stringList(f.tables["groups"])
	if !ok || len(groups) == 0 {
		l.problem(Problem{File: f.name, Line: f.line("groups"), Key: "groups", Message: "it must be a list of the names of folders in models"})
		return
	}
	if family, given := f.tables["family"]; given { // of use to who reads the file
		if _, ok := family.(string); !ok {
			l.problem(Problem{File: f.name, Line: f.line("family"), Key: "family", Message: "it must be a string"})
		}
	}
	l.takeBoot(f) // only its faults count here; who boots reads it by ReadBoot
	delete(f.tables, "groups")
	delete(f.tables, "family")
	l.groups, l.files = groups, []*tomlFile{f}
	l.checkGroups(f)
}

func (l *loader) checkGroups(f *tomlFile) {
	known := l.folders()
	for i, name := range l.groups {
		switch {
		case slices.Contains(l.groups[:i], name):
			l.problem(Problem{File: f.name, Line: f.line("groups"), Key: "groups", Message: strconv.Quote(name) + " is named twice"})
		case !slices.Contains(known, name):
			l.problem(Problem{
				File: f.name, Line: f.line("groups"), Key: "groups",
				Message: "there is no folder models/" + name, Hint: didYouMean(nearest.Name(name, known)),
			})
		}
	}
}

// folders are the groups that exist.
func (l *loader) folders() []string {
	entries, err := fs.ReadDir(l.share, "models")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if info, err := fs.Stat(l.share, path.Join("models", e.Name())); err == nil && info.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// readSchemas compiles the schemas of all groups into the model's root.
func (l *loader) readSchemas() {
	c := newCompiler(l.share)
	var err error
	files := []string{typesFile}
	for _, group := range l.groups {
		files = append(files, path.Join("models", group, "schema.json"))
	}
	for _, file := range files {
		if l.model.files[file], err = c.add(file); err != nil {
			l.schemaProblem(file, err)
		}
	}
	if len(l.problems) > 0 {
		return
	}
	l.model.root = &node{kinds: kindObject, title: "Settings", bare: true, decided: true, description: "The settings of a host."}
	for _, group := range l.groups {
		n, err := c.group(group)
		if err != nil {
			l.schemaProblem(path.Join("models", group, "schema.json"), err)
			continue
		}
		if _, err := key.FromSegments(root, group); err != nil {
			l.fail(path.Join("models", group), err)
		}
		l.model.root.members = append(l.model.root.members, member{group, n})
	}
	l.model.root.settle()
}

// schemaProblem says where a schema file is wrong. A fault that all groups
// share, since it is in the named types, is told once.
func (l *loader) schemaProblem(file string, err error) {
	if fault, ok := errors.AsType[*schemaFault](err); ok {
		if !slices.Contains(l.problems, fault.Problem) {
			l.problem(fault.Problem)
		}
		return
	}
	if place, ok := errors.AsType[*placedError](err); ok {
		l.problem(Problem{File: file, Line: place.line, Message: place.message})
		return
	}
	l.fail(file, err)
}

// readDefaults reads the groups' defaults and the variant's folder, which come
// before the variant's own file.
func (l *loader) readDefaults() {
	variant := l.files
	l.files = nil
	for _, group := range l.groups {
		l.readTables(path.Join("models", group, "defaults.toml"), true)
	}
	folder := l.fragments()
	entries, err := fs.ReadDir(l.share, folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.fail(folder, err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".toml") {
			l.readTables(path.Join(folder, e.Name()), false)
		}
	}
	l.files = append(l.files, variant...)
}

// fragments is the folder of files that are merged before the variant's own, in the order of their names.
func (l *loader) fragments() string { return path.Join("variants", l.model.variant+".d") }

func (l *loader) readTables(name string, optional bool) {
	f, err := readTOML(l.share, name)
	switch {
	case err == nil:
		l.files = append(l.files, f)
	case optional && errors.Is(err, fs.ErrNotExist):
	default:
		if place, ok := errors.AsType[*placedError](err); ok {
			l.problem(Problem{File: name, Line: place.line, Message: place.message})
			return
		}
		l.fail(name, err)
	}
}

// merge lays the files over one another.
func (l *loader) merge() {
	l.merged = map[string]any{}
	for _, f := range l.files {
		for name := range f.tables {
			if !slices.Contains(areas, name) {
				l.problem(Problem{
					File: f.name, Line: f.line(name), Key: name,
					Message: "unknown table, " + oneOf(areas),
				})
			}
		}
		mergeTables(l.merged, f.tables, nil, func(at []string, message string) {
			l.problem(Problem{File: f.name, Line: f.line(at...), Key: strings.Join(at, "."), Message: message})
		})
	}
}

// areas are the top-level tables.
var areas = []string{root, "services", "configuration-files", "metadata"}

// takeSettings makes the defaults.
func (l *loader) takeSettings() {
	settings, ok := l.table(root)
	if !ok {
		return
	}
	pairs, err := l.model.ParseTree(settings)
	if e, ok := errors.AsType[*Error](err); ok {
		for _, v := range e.Violations {
			f := l.last(keyPath(v.Key))
			l.problem(Problem{File: f.name, Line: f.line(keyPath(v.Key)...), Key: v.Key, Message: v.Message, Hint: v.Hint})
		}
	}
	l.model.defaults = pairs
}

// table is one area of the merged files.
func (l *loader) table(area string) (map[string]any, bool) {
	v, given := l.merged[area]
	if !given {
		return map[string]any{}, true
	}
	table, ok := v.(map[string]any)
	if !ok {
		f := l.last([]string{area})
		l.problem(Problem{File: f.name, Line: f.line(area), Key: area, Message: "it must be a table"})
	}
	return table, ok
}

// last is the file that has the last word on a place, or on as much of the way
// to it as any file has.
func (l *loader) last(at []string) *tomlFile {
	for ; len(at) > 0; at = at[:len(at)-1] {
		for _, f := range slices.Backward(l.files) {
			if f.has(at) {
				return f
			}
		}
	}
	return l.files[len(l.files)-1]
}

// keyPath splits a violation's key; elements of lists have no line of their own.
func keyPath(text string) []string {
	text, _, _ = strings.Cut(text, "[")
	k, err := key.Parse(text)
	if err != nil {
		return strings.Split(text, ".")
	}
	return k.Segments()
}

// readFile reads a bounded file.
func readFile(share fs.FS, name string, limit int64) ([]byte, error) {
	info, err := fs.Stat(share, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: it is not a regular file", name)
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s: it has %d bytes; at most %d are read", name, info.Size(), limit)
	}
	return fs.ReadFile(share, name)
}
