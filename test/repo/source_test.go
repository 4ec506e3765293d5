package repo_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Limits of size. Tests may be longer: they are tables.
const (
	maxFunctionLines = 100
	maxFileLines     = 600
	maxMainLines     = 40
	minDocWords      = 20
)

// Longer functions and files, each with the reason. Best kept empty.
var (
	longFunctions = map[string]string{}
	longFiles     = map[string]string{}
)

func parse(t *testing.T, fset *token.FileSet, path string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(fset, filepath.Join(top, path), nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestSizes(t *testing.T) {
	for _, path := range files(t, ".go") {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		file := parse(t, fset, path)
		if lines := fset.File(file.FileStart).LineCount(); lines > maxFileLines && longFiles[path] == "" {
			t.Errorf("%s has %d lines, %d are the limit: which two files is it?", path, lines, maxFileLines)
		}
		checkFunctions(t, fset, path, file)
	}
}

func checkFunctions(t *testing.T, fset *token.FileSet, path string, file *ast.File) {
	t.Helper()
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		lines := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line + 1
		if lines > maxFunctionLines && longFunctions[path+":"+f.Name.Name] == "" {
			t.Errorf("%s: function %s has %d lines, %d are the limit", path, f.Name.Name, lines, maxFunctionLines)
		}
	}
}

func TestMainsAreThin(t *testing.T) {
	for _, path := range files(t, ".go") {
		if !within(path, "cmd") {
			continue
		}
		if lines := strings.Count(read(t, path), "\n"); lines > maxMainLines {
			t.Errorf("%s has %d lines, %d are the limit: programs live in internal/", path, lines, maxMainLines)
		}
	}
}

func TestPackageDocs(t *testing.T) {
	for _, p := range ours(t) {
		if len(p.GoFiles) == 0 {
			continue // tests only, some behind a tag
		}
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command " + filepath.Base(p.ImportPath) + " "
		}
		switch doc := packageDoc(t, p); {
		case !strings.HasPrefix(doc, want):
			t.Errorf("%s: the package comment begins with %.40q, want %q", p.short(), doc, want)
		case p.Name != "main" && len(strings.Fields(doc)) < minDocWords:
			t.Errorf("%s: the package comment has %d words: say what the package is for, where to start, and what it deliberately does not do",
				p.short(), len(strings.Fields(doc)))
		}
	}
}

// packageDoc is the package comment in full; go list gives only its first sentence.
func packageDoc(t *testing.T, p goPackage) string {
	t.Helper()
	var docs []string
	for _, name := range p.GoFiles {
		file := parse(t, token.NewFileSet(), filepath.Join(p.short(), name))
		if file.Doc != nil {
			docs = append(docs, file.Doc.Text())
		}
	}
	if len(docs) > 1 {
		t.Errorf("%s has %d package comments, want one", p.short(), len(docs))
	}
	return strings.Join(docs, "\n")
}

// checkExported finds exported names whose types are from internal packages:
// whoever imports them could not name those.
func checkExported(t *testing.T, p goPackage) {
	t.Helper()
	for _, name := range p.GoFiles {
		fset := token.NewFileSet()
		file := parse(t, fset, filepath.Join(p.short(), name))
		hidden := internalImports(file)
		ast.FileExports(file)
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok {
				f.Body = nil
			}
			ast.Inspect(decl, func(n ast.Node) bool {
				s, ok := n.(*ast.SelectorExpr)
				if ok && hidden[fmt.Sprint(s.X)] {
					t.Errorf("%s: an exported name shows %s.%s, which is internal", fset.Position(n.Pos()), s.X, s.Sel)
				}
				return true
			})
		}
	}
}

// internalImports are the names by which a file knows internal packages.
func internalImports(file *ast.File) map[string]bool {
	names := map[string]bool{}
	for _, spec := range file.Imports {
		path := strings.Trim(spec.Path.Value, `"`)
		if strings.Contains(path, "/internal/") {
			names[filepath.Base(path)] = true
			if spec.Name != nil {
				names[spec.Name.Name] = true
			}
		}
	}
	return names
}

// unwanted texts. The patterns are written so that they do not match themselves.
var unwanted = []struct {
	pattern *regexp.Regexp
	in      []string // suffixes
	because string
}{
	{regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`), []string{".go", ".sh", "Makefile"}, "finish it, or file an issue"},
	{regexp.MustCompile(`(^|[\s"'(=])/(wo` + `rk|fa` + `rm|home/[a-z]+|tmp/hos` + `tler)/`), nil, "it names a place of one machine"},
	{regexp.MustCompile(`\bt\.Sk` + `ip`), []string{"_test.go"}, "a test that cannot run must fail; what needs root belongs into test/integration"},
	{regexp.MustCompile(`\bslog\.Default\(|\blog\.(Print|Fatal|Panic)`), []string{".go"}, "loggers are passed in"},
	{regexp.MustCompile(`^func in` + `it\(`), []string{".go"}, "no work at import"},
}

func TestUnwantedTexts(t *testing.T) {
	for _, path := range files(t) {
		if within(path, "test/repo") || strings.Contains(path, "testdata/") {
			continue
		}
		if path == "internal/memexec/stage.go" {
			continue // what it says about its work at import is the exception
		}
		for n, line := range strings.Split(read(t, path), "\n") {
			for _, u := range unwanted {
				if hasSuffix(path, u.in) && u.pattern.MatchString(line) {
					t.Errorf("%s:%d: %q: %s", path, n+1, u.pattern.FindString(line), u.because)
				}
			}
		}
	}
}
