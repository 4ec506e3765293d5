package verity

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// superblock is one as veritysetup writes it.
func superblock() []byte {
	b := make([]byte, 4096)
	copy(b, magic)
	le := binary.LittleEndian
	le.PutUint32(b[8:], 1)
	le.PutUint32(b[12:], 1)
	copy(b[32:], "sha256")
	le.PutUint32(b[64:], 4096)
	le.PutUint32(b[68:], 4096)
	le.PutUint64(b[72:], 25600)
	le.PutUint16(b[80:], 2)
	copy(b[88:], []byte{0xab, 0xcd})
	return b
}

func TestSuperblock(t *testing.T) {
	s, err := ReadSuperblock(bytes.NewReader(superblock()))
	want := Superblock{"sha256", 4096, 4096, 25600, []byte{0xab, 0xcd}}
	if diff := cmp.Diff(s, want); err != nil || diff != "" {
		t.Fatalf("%v, -got +want:\n%s", err, diff)
	}
	table := "1 /dev/a /dev/b 4096 4096 25600 1 sha256 0102 abcd 2 restart_on_corruption ignore_zero_blocks"
	if got := s.table("/dev/a", "/dev/b", []byte{1, 2}); got != table {
		t.Errorf("got %s, want %s", got, table)
	}
	if got := s.sectors(); got != 25600*8 {
		t.Errorf("%d sectors", got)
	}
	s.Salt = nil
	if got := s.table("a", "b", nil); !strings.Contains(got, " - 2 ") {
		t.Errorf("without a salt: %s", got)
	}
}

func TestBadSuperblocks(t *testing.T) {
	for what, spoil := range map[string]func([]byte){
		"begins with":     func(b []byte) { b[0] = 'x' },
		"version 2":       func(b []byte) { b[8] = 2 },
		"hash type 0":     func(b []byte) { b[12] = 0 },
		"algorithm":       func(b []byte) { copy(b[32:], "sha256 x") },
		"block sizes":     func(b []byte) { b[64] = 1 },
		"block sizes ":    func(b []byte) { binary.LittleEndian.PutUint32(b[68:], 1<<20) },
		"0 data blocks":   func(b []byte) { clear(b[72:80]) },
		"data blocks":     func(b []byte) { b[79] = 0xff },
		"a salt of 65535": func(b []byte) { b[80], b[81] = 0xff, 0xff },
	} {
		b := superblock()
		spoil(b)
		if _, err := ReadSuperblock(bytes.NewReader(b)); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(what)) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	if _, err := ReadSuperblock(bytes.NewReader(superblock()[:100])); err == nil {
		t.Error("a short one is taken")
	}
}

func TestTarget(t *testing.T) {
	b := target(8, "1 a b")
	if len(b)%8 != 0 || b[len(b)-1] != 0 || binary.LittleEndian.Uint32(b[20:]) != uint32(len(b)) {
		t.Errorf("got %d bytes: %q", len(b), b)
	}
}

func FuzzSuperblock(f *testing.F) {
	f.Add(superblock()[:superblockSize])
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ReadSuperblock(bytes.NewReader(b))
		if err == nil && (strings.ContainsAny(s.Algorithm, " \n") || s.sectors() == 0) {
			t.Errorf("took %+v", s)
		}
	})
}
