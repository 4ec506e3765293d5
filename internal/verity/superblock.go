package verity

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/bits"
	"regexp"
	"sync"
)

// Superblock is what the first block of a hash partition says of the tree
// (cryptsetup's on-disk format, version 1). On the disk it is little-endian:
//
//	0   "verity\0\0"
//	8   version, 4 bytes: 1
//	12  hash type, 4 bytes: 1, the salt comes before the data
//	16  UUID
//	32  algorithm, 32 bytes, ended by NUL
//	64  data block size, 4 bytes
//	68  hash block size, 4 bytes
//	72  data blocks, 8 bytes
//	80  salt size, 2 bytes
//	88  salt, at most 256 bytes
type Superblock struct {
	Algorithm     string // such as sha256
	DataBlockSize uint32 // in bytes
	HashBlockSize uint32 // in bytes
	DataBlocks    uint64
	Salt          []byte
}

// superblockSize is what is read of it; the tree begins at the next hash block.
const superblockSize = 512

const (
	maxSalt      = 256
	minBlockSize = 512
	maxBlockSize = 64 << 10
	maxBlocks    = 1 << 40
)

var (
	magic     = []byte("verity\x00\x00")
	algorithm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,30}$`) })
)

// ReadSuperblock reads that of the hash partition r.
func ReadSuperblock(r io.ReaderAt) (Superblock, error) {
	block := make([]byte, superblockSize)
	if _, err := r.ReadAt(block, 0); err != nil {
		return Superblock{}, fmt.Errorf("read verity superblock: %w", err)
	}
	s, err := parse(block)
	if err != nil {
		return Superblock{}, fmt.Errorf("read verity superblock: %w", err)
	}
	return s, nil
}

func parse(b []byte) (Superblock, error) {
	number := func(at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
	if !bytes.HasPrefix(b, magic) {
		return Superblock{}, fmt.Errorf("it begins with %q, want %q", b[:len(magic)], magic)
	}
	if version, kind := number(8), number(12); version != 1 || kind != 1 {
		return Superblock{}, fmt.Errorf("version %d, hash type %d; want 1 and 1", version, kind)
	}
	name, _, _ := bytes.Cut(b[32:64], []byte{0})
	s := Superblock{
		Algorithm: string(name), DataBlockSize: number(64), HashBlockSize: number(68), DataBlocks: binary.LittleEndian.Uint64(b[72:]),
	}
	salt := int(binary.LittleEndian.Uint16(b[80:]))
	switch {
	case !algorithm().MatchString(s.Algorithm):
		return s, fmt.Errorf("algorithm %q", s.Algorithm)
	case !blockSize(s.DataBlockSize) || !blockSize(s.HashBlockSize):
		return s, fmt.Errorf("block sizes %d and %d; want powers of two from %d to %d", s.DataBlockSize, s.HashBlockSize, minBlockSize, maxBlockSize)
	case s.DataBlocks == 0 || s.DataBlocks > maxBlocks:
		return s, fmt.Errorf("%d data blocks", s.DataBlocks)
	case salt > maxSalt:
		return s, fmt.Errorf("a salt of %d bytes, more than %d", salt, maxSalt)
	}
	s.Salt = bytes.Clone(b[88 : 88+salt])
	return s, nil
}

func blockSize(n uint32) bool {
	return n >= minBlockSize && n <= maxBlockSize && bits.OnesCount32(n) == 1
}

// sectors is the size of the data in sectors of 512 bytes.
func (s Superblock) sectors() uint64 { return s.DataBlocks * uint64(s.DataBlockSize/512) }

// table is the kernel's description of the device. A corrupted block reboots
// the machine: the slot that it lies in is then tried less, or no more.
func (s Superblock) table(data, hash string, root []byte) string {
	salt := "-"
	if len(s.Salt) > 0 {
		salt = hex.EncodeToString(s.Salt)
	}
	treeAt := (superblockSize + s.HashBlockSize - 1) / s.HashBlockSize
	return fmt.Sprintf("1 %s %s %d %d %d %d %s %x %s 2 restart_on_corruption ignore_zero_blocks",
		data, hash, s.DataBlockSize, s.HashBlockSize, s.DataBlocks, treeAt, s.Algorithm, root, salt)
}
