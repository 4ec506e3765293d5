package repo_test

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/hostler-os/hostler"

// top is the repository's root: go test runs each test in its package's folder.
const top = "../.."

// goPackage is the part of `go list -json` that the rules look at.
type goPackage struct {
	ImportPath string
	Dir        string
	Name       string
	Doc        string
	Standard   bool
	Imports    []string
	Deps       []string
	GoFiles    []string
}

// short is the import path below the module: "internal/key", "cmd/apiserver".
func (p goPackage) short() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// ours lists the module's packages.
func ours(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Name,Doc,Standard,Imports,Deps,GoFiles", "./...")
	cmd.Dir = top
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return decodePackages(t, string(out))
}

func decodePackages(t *testing.T, stream string) []goPackage {
	t.Helper()
	var packages []goPackage
	for d := json.NewDecoder(strings.NewReader(stream)); ; {
		var p goPackage
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatalf("decode go list: %v", err)
		}
		packages = append(packages, p)
	}
}

// notSources are folders that hold nothing written by hand.
var notSources = []string{".git", "bin"}

// files lists the repository's files whose names end with one of the suffixes, as paths below the root.
func files(t *testing.T, suffixes ...string) []string {
	t.Helper()
	var found []string
	err := fs.WalkDir(os.DirFS(top), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(notSources, path):
			return fs.SkipDir
		case d.Type().IsRegular() && hasSuffix(path, suffixes):
			found = append(found, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func hasSuffix(path string, suffixes []string) bool {
	return len(suffixes) == 0 || slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(path, s) })
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
