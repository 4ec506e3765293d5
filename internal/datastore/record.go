package datastore

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
)

// table is one top-level bucket of the file.
//
//	values   rank of the layer (1 byte), key        → origin, value
//	pending  length of the name (uvarint), name, key → value, behind a byte 1 if it will be weak
//	history  id (8 bytes, big endian)                → api.HistoryEntry as JSON
//	changes  id (8 bytes, big endian)                → 1 (open) or 0, record
//	open     id (8 bytes, big endian)                → empty: the open changes
//	files    path                                    → record
//	about    "format", "boot", "change", "commit", "release" → text, 8 bytes, or JSON
//
// Each record begins with its CRC-32C, which covers the table's name and the
// key too: so a flipped bit is found, and so is a record in the wrong place.
// The bucket's sequence number holds the number of its records (upper half) and
// the sum of their CRCs (lower half): so a record that has vanished, or a page
// that is older than the rest, is found as well. The page that holds these sums
// is bound to the meta page by the number of the commit, which both have.
type table uint8

const (
	tableValues table = iota
	tablePending
	tableHistory
	tableChanges
	tableOpen
	tableFiles
	tableAbout
	tableCount
)

// format is the version of all of this. Whatever else a later one changes, its
// table "about" comes first in the file and has this record, so that a program
// that is too old can tell.
const format = "1"

// The keys of the table about.
const (
	aboutFormat  = "format"
	aboutBoot    = "boot"    // during which transactions became pending, and values weak
	aboutChange  = "change"  // the newest id of a change
	aboutCommit  = "commit"  // bbolt's number of the transaction
	aboutRelease = "release" // a Release as JSON
)

func (t table) String() string {
	return [tableCount]string{"values", "pending", "history", "changes", "open", "files", "about"}[t]
}

// tableNamed is the inverse of String.
func tableNamed(name string) (table, bool) {
	for t := range tableCount {
		if t.String() == name {
			return t, true
		}
	}
	return 0, false
}

var (
	errDamaged  = errors.New("no datastore")
	errChecksum = errors.New("checksum is wrong")
	errShort    = errors.New("record is too short")
	errNotJSON  = errors.New("value is not JSON")
)

const crcSize = 4

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// seal puts the checksum before a payload.
func seal(t table, k, payload []byte) []byte {
	record := make([]byte, crcSize, crcSize+len(payload))
	binary.LittleEndian.PutUint32(record, checksum(t, k, payload))
	return append(record, payload...)
}

// unseal checks a record and returns its payload, which shares its memory.
func unseal(t table, k, record []byte) ([]byte, error) {
	if len(record) < crcSize {
		return nil, errShort
	}
	if sum(record) != checksum(t, k, record[crcSize:]) {
		return nil, errChecksum
	}
	return record[crcSize:], nil
}

func checksum(t table, k, payload []byte) uint32 {
	c := crc32.Update(0, castagnoli(), []byte{byte(t)})
	c = crc32.Update(c, castagnoli(), binary.AppendUvarint(nil, uint64(len(k))))
	c = crc32.Update(c, castagnoli(), k)
	return crc32.Update(c, castagnoli(), payload)
}

// sum is the checksum that a sealed record carries.
func sum(record []byte) uint32 { return binary.LittleEndian.Uint32(record) }

// tally is a table's sequence number: see table.
type tally uint64

func (t tally) add(record []byte) tally { return t.adjust(1, sum(record)) }

func (t tally) remove(record []byte) tally { return t.adjust(-1, -sum(record)) }

func (t tally) adjust(n int32, crc uint32) tally {
	return tally(uint32(t>>32)+uint32(n))<<32 | tally(uint32(t)+crc)
}

// id8 is the key of the tables that are ordered by number.
func id8(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

func parseID(k []byte) (uint64, error) {
	if len(k) != 8 {
		return 0, fmt.Errorf("id of %d bytes, not 8", len(k))
	}
	return binary.BigEndian.Uint64(k), nil
}

func valueKey(layer api.Layer, k key.Key) []byte {
	return append([]byte{rank(layer)}, k...)
}

func parseValueKey(b []byte) (api.Layer, key.Key, error) {
	if len(b) < 2 {
		return "", "", errShort
	}
	layer, ok := layerOf(b[0])
	if !ok || layer == api.LayerDefault {
		return "", "", fmt.Errorf("layer %d does not exist", b[0])
	}
	k, err := parseKey(b[1:])
	return layer, k, err
}

// parseKey reads the text of a stored key, which must be canonical.
func parseKey(b []byte) (key.Key, error) {
	k, err := key.Parse(string(b))
	if err != nil {
		return "", err
	}
	if string(k) != string(b) {
		return "", fmt.Errorf("key %s is not in canonical form", b)
	}
	return k, nil
}

// formatValue is the payload of a value: the length of the origin, the origin
// as JSON, and the value.
func formatValue(origin *api.Origin, value json.RawMessage) ([]byte, error) {
	o, err := json.Marshal(origin)
	if err != nil {
		return nil, fmt.Errorf("encode origin: %w", err)
	}
	return append(prefixed(o), value...), nil
}

// parseValue splits a payload; the parts share its memory. The origin is left
// as text because many values have the same one.
func parseValue(payload []byte) (origin []byte, value json.RawMessage, err error) {
	origin, rest, err := splitPrefixed(payload)
	if err != nil {
		return nil, nil, err
	}
	if !json.Valid(rest) {
		return nil, nil, errNotJSON
	}
	return origin, rest, nil
}

func pendingKey(name string, k key.Key) []byte {
	return append(prefixed([]byte(name)), k...)
}

func parsePendingKey(b []byte) (string, key.Key, error) {
	name, rest, err := splitPrefixed(b)
	if err != nil {
		return "", "", err
	}
	k, err := parseKey(rest)
	return string(name), k, err
}

// prefixed is b behind its length.
func prefixed(b []byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(b))), b...)
}

func splitPrefixed(b []byte) (head, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, errShort
	}
	b = b[size:]
	return b[:n:n], b[n:], nil
}
