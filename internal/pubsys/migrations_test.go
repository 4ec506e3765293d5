package pubsys

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/update/pack"
)

// executable is as much of one as says what runs it.
func executable(t *testing.T, machine elf.Machine, part elf.ProgType) []byte {
	t.Helper()
	header := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT), Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
	}
	var b bytes.Buffer
	for _, part := range []any{header, elf.Prog64{Type: uint32(part)}} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// A host finds out that it cannot run a migration when it rehearses; its publisher is told before.
func TestUnfitMigrations(t *testing.T) {
	static := executable(t, elf.EM_X86_64, elf.PT_LOAD)
	var packed bytes.Buffer
	if err := pack.LZ4(&packed, bytes.NewReader(static), int64(len(static))); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text []byte
		want string // empty: it runs
	}{
		"static":   {static, ""},
		"packed":   {packed.Bytes(), ""},
		"dynamic":  {executable(t, elf.EM_X86_64, elf.PT_INTERP), "linked dynamically"},
		"foreign":  {executable(t, elf.EM_AARCH64, elf.PT_LOAD), "for EM_AARCH64, not for x86_64"},
		"script":   {[]byte("#!/bin/sh\ncat\n"), "no executable"},
		"empty":    {nil, "no executable"},
		"cut off":  {static[:70], "no executable"},
		"spoiled":  {packed.Bytes()[:12], "EOF"},
		"no bytes": {packed.Bytes()[:2], "no executable"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "migrate_v1.1.0_x")
			if err := os.WriteFile(path, c.text, 0o644); err != nil {
				t.Fatal(err)
			}
			err := unfit(path, "x86_64")
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	if err := unfit("nosuch", "x86_64"); err == nil {
		t.Error("a file that is not there is fit")
	}
}
