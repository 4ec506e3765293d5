package gpt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

const (
	signature    = "EFI PART"
	revision     = 0x00010000
	headerSize   = 92 // of the fields below; a header may say that it is longer
	primaryLBA   = 1
	entrySize    = 128
	maxArraySize = 1 << 20 // bytes of entries; the usual table has 16 KiB
)

// header is a GPT header as it lies on the disk, little-endian.
type header struct {
	Signature   [8]byte
	Revision    uint32
	Size        uint32
	CRC         uint32 // of Size bytes, with this field zero
	Reserved    uint32
	Self        uint64 // where this header lies
	Alternate   uint64 // where the other copy's header lies
	FirstUsable uint64 // for partitions
	LastUsable  uint64
	Disk        GUID
	Entries     uint64 // where this copy's entries begin
	Count       uint32
	EntrySize   uint32
	EntriesCRC  uint32
}

// arraySize is the size of the entries in bytes.
func (h header) arraySize() uint64 { return uint64(h.Count) * uint64(h.EntrySize) }

// blocks is the size of the entries in sectors.
func (h header) blocks(g Geometry) uint64 {
	return (h.arraySize() + uint64(g.SectorSize) - 1) / uint64(g.SectorSize)
}

// nothingAt is the sector where a header should be, and nothing like one is.
type nothingAt uint64

func (lba nothingAt) Error() string {
	return fmt.Sprintf("sector %d does not begin with %q", uint64(lba), signature)
}

// decodeHeader reads a header from its sector and checks all that can be
// checked without its entries. It returns the header's Size bytes too.
func decodeHeader(sector []byte, g Geometry, lba uint64) (header, []byte, error) {
	var h header
	if _, err := binary.Decode(sector, binary.LittleEndian, &h); err != nil {
		return h, nil, err
	}
	if string(h.Signature[:]) != signature {
		return h, nil, nothingAt(lba)
	}
	if h.Size < headerSize || uint64(h.Size) > uint64(len(sector)) {
		return h, nil, fmt.Errorf("header size is %d, want %d to %d", h.Size, headerSize, len(sector))
	}
	raw := append([]byte{}, sector[:h.Size]...)
	if sum := headerCRC(raw); sum != h.CRC {
		return h, nil, fmt.Errorf("header CRC is %08x, want %08x", h.CRC, sum)
	}
	return h, raw, h.check(g, lba)
}

func headerCRC(raw []byte) uint32 {
	zeroed := append([]byte{}, raw...)
	binary.LittleEndian.PutUint32(zeroed[16:], 0)
	return crc32.ChecksumIEEE(zeroed)
}

// encode lays h over raw, a header's bytes, and computes its CRC.
func (h header) encode(raw []byte) []byte {
	raw = append([]byte{}, raw...)
	h.Size, h.CRC = uint32(len(raw)), 0
	// Never fails: raw has at least headerSize bytes.
	_, _ = binary.Encode(raw, binary.LittleEndian, h)
	binary.LittleEndian.PutUint32(raw[16:], crc32.ChecksumIEEE(raw))
	return raw
}

// check refuses a header at lba whose values do not fit the disk or each other.
func (h header) check(g Geometry, lba uint64) error {
	if h.Self != lba {
		return fmt.Errorf("header says that it lies in sector %d, but it lies in %d", h.Self, lba)
	}
	if h.EntrySize < entrySize || h.EntrySize&(h.EntrySize-1) != 0 {
		return fmt.Errorf("entry size is %d, want a power of two from %d on", h.EntrySize, entrySize)
	}
	if h.Count == 0 || h.arraySize() > maxArraySize {
		return fmt.Errorf("%d entries of %d bytes: want at least one, and at most %d bytes", h.Count, h.EntrySize, maxArraySize)
	}
	if h.FirstUsable > h.LastUsable || h.LastUsable >= g.sectors() {
		return fmt.Errorf("usable sectors are %d to %d of %d", h.FirstUsable, h.LastUsable, g.sectors())
	}
	if lba == primaryLBA {
		return h.checkPrimary(g)
	}
	return h.checkBackup(g)
}

// Each copy must leave room for the other one too, or that could not be repaired.
func (h header) checkPrimary(g Geometry) error {
	if h.Alternate >= g.sectors() || h.Alternate <= h.LastUsable || h.Alternate-h.LastUsable <= h.blocks(g) {
		return fmt.Errorf("backup header is said to lie in sector %d of %d, want %d sectors for its entries between %d and it",
			h.Alternate, g.sectors(), h.blocks(g), h.LastUsable)
	}
	if h.Entries <= primaryLBA || h.Entries > h.FirstUsable || h.FirstUsable-h.Entries < h.blocks(g) {
		return fmt.Errorf("entries take %d sectors from %d on, and partitions may begin at %d", h.blocks(g), h.Entries, h.FirstUsable)
	}
	return nil
}

func (h header) checkBackup(g Geometry) error {
	if h.Alternate != primaryLBA {
		return fmt.Errorf("primary header is said to lie in sector %d, want %d", h.Alternate, primaryLBA)
	}
	if h.FirstUsable <= primaryLBA || h.FirstUsable-primaryLBA <= h.blocks(g) {
		return fmt.Errorf("partitions may begin at sector %d, want %d sectors for the primary entries after sector %d", h.FirstUsable, h.blocks(g), primaryLBA)
	}
	if h.Entries <= h.LastUsable || h.Entries > h.Self || h.Self-h.Entries < h.blocks(g) {
		return fmt.Errorf("entries take %d sectors from %d on, want them between %d and %d", h.blocks(g), h.Entries, h.LastUsable, h.Self)
	}
	return nil
}

var errNotProtective = errors.New("no protective MBR in sector 0: the disk may have been given to another use")

// checkProtective tells whether sector 0 is that of a GPT disk: a boot
// signature and a partition of type 0xee.
func checkProtective(sector []byte) error {
	if sector[510] != 0x55 || sector[511] != 0xaa {
		return errNotProtective
	}
	for at := 446; at < 510; at += 16 {
		if sector[at+4] == 0xee {
			return nil
		}
	}
	return errNotProtective
}

// protectedUpTo is the last sector of a protective MBR's partition; 0 without one.
func protectedUpTo(sector []byte) uint64 {
	for at := 446; at < 510; at += 16 {
		if sector[at+4] == 0xee {
			begin, size := binary.LittleEndian.Uint32(sector[at+8:]), binary.LittleEndian.Uint32(sector[at+12:])
			return uint64(begin) + uint64(size) - 1
		}
	}
	return 0
}

// protectiveMBR is sector 0 of a new disk: one partition of type 0xee over all of it.
func protectiveMBR(g Geometry) []byte {
	sector := make([]byte, 512)
	copy(sector[446:], []byte{0, 0x00, 0x02, 0x00, 0xee, 0xff, 0xff, 0xff})
	binary.LittleEndian.PutUint32(sector[454:], 1)
	binary.LittleEndian.PutUint32(sector[458:], uint32(min(g.sectors()-1, 0xffffffff)))
	sector[510], sector[511] = 0x55, 0xaa
	return sector
}
