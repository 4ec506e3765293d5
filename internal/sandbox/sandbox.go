// Package sandbox lays out a root below any folder, in which the programs of
// the suite run without privileges, and makes the commands that such a root
// only records fail or hang on request.
//
// Start with [New]; then `apiserver --root DIR` serves the folder as if it were
// a host. [Run] is the command line `hostler sandbox`. A sandbox isolates
// nothing: it is a folder of ordinary files for trying settings, templates and
// groups, not a container.
package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/paths"
)

// Options say what a sandbox is made of.
type Options struct {
	Variant string // such as metal-dev; see [model.Variants]
	Version string // of the operating system that it pretends to run
	Trust   []byte // the image's root of trust; none: it gets no updates
	Renew   bool   // bring models, variants and templates of an existing sandbox up to date
}

// New lays out a sandbox in dir from assets, which holds models, variants and
// templates. Dir is created; it must be empty, or a sandbox that Options.Renew
// lets it renew, in which case settings and rendered files stay as they are.
func New(assets fs.FS, dir string, o Options) (paths.Root, error) {
	root, err := rootOf(dir)
	if err != nil {
		return "", err
	}
	if err := checkVariant(assets, o.Variant); err != nil {
		return "", err
	}
	if err := checkFolder(root, o.Renew); err != nil {
		return "", err
	}
	return root, layOut(assets, root, o)
}

// Open finds the sandbox in dir.
func Open(dir string) (paths.Root, error) {
	root, err := rootOf(dir)
	if err != nil {
		return "", err
	}
	if !isSandbox(root) {
		return "", &api.Error{
			Code: api.CodeNotFound, Message: fmt.Sprintf("%s is no sandbox", dir),
			Hint: "make one with: hostler sandbox new " + dir,
		}
	}
	return root, nil
}

func rootOf(dir string) (paths.Root, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", dir, err)
	}
	return paths.Root(abs), nil
}

func checkVariant(assets fs.FS, variant string) error {
	known, err := model.Variants(assets)
	if err != nil || slices.Contains(known, variant) {
		return err
	}
	return &api.Error{
		Code: api.CodeInvalid, Message: fmt.Sprintf("no variant '%s'", variant),
		Hint: "the variants are: " + strings.Join(known, ", "),
	}
}

// A folder that is not ours stays untouched, whatever the options say.
func checkFolder(root paths.Root, renew bool) error {
	entries, err := os.ReadDir(string(root))
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0:
		return nil
	case err != nil:
		return fmt.Errorf("make sandbox: %w", err)
	case !isSandbox(root):
		return &api.Error{
			Code: api.CodeConflict, Message: fmt.Sprintf("%s is not empty, and no sandbox", root),
			Hint: "name a new folder, or an empty one",
		}
	case !renew:
		return &api.Error{
			Code: api.CodeConflict, Message: fmt.Sprintf("%s is a sandbox already", root),
			Hint: "add --force to renew its models, variants and templates; its settings stay",
		}
	}
	return nil
}

func isSandbox(root paths.Root) bool {
	info, err := os.Stat(root.Sandbox())
	return err == nil && info.Mode().IsRegular()
}

// The mark comes first: a layout that was interrupted can then be renewed.
func layOut(assets fs.FS, root paths.Root, o Options) error {
	for _, dir := range []string{root.State(), root.Run(), filepath.Dir(root.OSRelease()), root.Config()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make sandbox: %w", err)
		}
	}
	for _, file := range []struct{ path, text string }{
		{root.Sandbox(), mark},
		{root.OSRelease(), osRelease(o)},
	} {
		if err := os.WriteFile(file.path, []byte(file.text), 0o644); err != nil {
			return fmt.Errorf("make sandbox: %w", err)
		}
	}
	for source, target := range map[string]string{
		"models":    filepath.Join(root.Share(), "models"),
		"variants":  filepath.Join(root.Share(), "variants"),
		"templates": root.Templates(),
	} {
		if err := copyTree(assets, source, target); err != nil {
			return fmt.Errorf("make sandbox: %w", err)
		}
	}
	if err := os.WriteFile(root.Variant(), []byte(o.Variant+"\n"), 0o644); err != nil {
		return fmt.Errorf("make sandbox: %w", err)
	}
	if o.Trust == nil {
		return nil
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(root.TrustedRoot()), 0o755), os.WriteFile(root.TrustedRoot(), o.Trust, 0o644)); err != nil {
		return fmt.Errorf("make sandbox: %w", err)
	}
	return nil
}

const mark = `# This file marks a sandbox: apiserver records restart commands here
# (run/hostler/restarts.jsonl) instead of running them. See docs/user-guide.md.
`

func osRelease(o Options) string {
	return fmt.Sprintf("NAME=Hostler\nID=hostler\nPRETTY_NAME=\"Hostler sandbox (%s)\"\nVARIANT_ID=%s\nVERSION_ID=%s\nBUILD_ID=sandbox\n",
		o.Variant, o.Variant, o.Version)
}

func copyTree(assets fs.FS, source, target string) error {
	return fs.WalkDir(assets, source, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(target, filepath.FromSlash(strings.TrimPrefix(name, source)))
		if entry.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		text, err := fs.ReadFile(assets, name)
		if err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o644)
	})
}
