package pubsys

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/hostler-os/hostler/internal/update/pack"
)

// listMigrations are the files that were named, and those in folders that were.
func listMigrations(paths []string) (all []string, err error) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("read migrations: %w", err)
		}
		if !info.IsDir() {
			all = append(all, path)
			continue
		}
		entries, err := os.ReadDir(path)
		if err != nil {
			return nil, fmt.Errorf("read migrations: %w", err)
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), "migrate_") {
				all = append(all, filepath.Join(path, e.Name()))
			}
		}
	}
	return all, nil
}

// machines are what executables say that they are for.
var machines = map[string]elf.Machine{"x86_64": elf.EM_X86_64, "aarch64": elf.EM_AARCH64}

// maxMigration is what hosts load of an executable at most, in bytes.
const maxMigration = 128 << 20

// unfit tells why hosts could not run a migration. Where they do, there are no
// files: a script has no interpreter, a dynamic executable no loader.
func unfit(path, arch string) error {
	text, err := readMigration(path)
	if err != nil {
		return err
	}
	program, err := elf.NewFile(bytes.NewReader(text))
	if err != nil {
		return errors.New("it is no executable (ELF)")
	}
	defer program.Close()
	if want := machines[arch]; program.Machine != want {
		return fmt.Errorf("it is for %s, not for %s", program.Machine, arch)
	}
	for _, part := range program.Progs {
		if part.Type == elf.PT_INTERP {
			return errors.New("it is linked dynamically: build it static, in Go with CGO_ENABLED=0")
		}
	}
	return nil
}

func readMigration(path string) ([]byte, error) {
	f, err := pack.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxMigration+1))
	if err == nil && len(text) > maxMigration {
		err = fmt.Errorf("it has more than %d bytes", maxMigration)
	}
	return text, err
}
