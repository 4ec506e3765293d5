package health

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hostler-os/hostler/internal/service"
)

// maxScripts bounds how many executables are asked.
const maxScripts = 200

// scripts are the executables of both folders, by name; the operator's takes
// the place of the image's of the same name, and an empty file or a link to
// /dev/null takes it away.
func (h Host) scripts() ([]Check, error) {
	found := map[string]string{}
	for _, dir := range []string{h.Root.ImageHealthChecks(), h.Root.HealthChecks()} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("list health checks: %w", err)
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), ".") && !strings.HasSuffix(e.Name(), "~") {
				found[e.Name()] = filepath.Join(dir, e.Name())
			}
		}
	}
	if len(found) > maxScripts {
		return nil, fmt.Errorf("list health checks: there are %d, more than %d", len(found), maxScripts)
	}
	var checks []Check
	for _, name := range slices.Sorted(maps.Keys(found)) {
		file := found[name]
		info, err := os.Stat(file)
		if err == nil && (info.Size() == 0 || !info.Mode().IsRegular()) {
			continue
		}
		checks = append(checks, Check{name, func(ctx context.Context) Result { return runScript(ctx, file) }})
	}
	return checks, nil
}

// runScript is good if the executable exits 0.
func runScript(ctx context.Context, file string) Result {
	if info, err := os.Stat(file); err == nil && info.Mode()&0o111 == 0 {
		return bad("%s is not executable; an empty file of its name takes a check away", file)
	}
	if strings.Contains(file, " ") {
		return bad("%s: a check's name has no spaces", file)
	}
	// The time limit is that of ctx.
	output, err := service.Plain(slog.New(slog.DiscardHandler), 0).Run(ctx, service.Command{Line: file})
	if err != nil {
		return Result{State: Bad, Message: err.Error(), Output: output}
	}
	return Result{State: Good, Output: output}
}
