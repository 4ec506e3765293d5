package delta

import (
	"crypto/sha256"
	"errors"
)

// IndexName is the target that indexes the image of that name.
func IndexName(image string) string { return image + ".index" }

// BlocksName is the target with the chunks of the image of that name.
func BlocksName(image string) string { return image + ".blocks" }

// The format's numbers.
const (
	magic      = "hostler\x01"
	headerSize = len(magic) + 8 + sha256.Size + 8 + 4
	sumSize    = 16

	leastChunk = 4 << 10
	usualChunk = 16 << 10
	mostChunk  = 64 << 10

	// mostChunks bounds what a host must remember. It is enough for any image of
	// 2 GiB, and for 8 GiB of one that is cut as usual.
	mostChunks = 1 << 19
)

// MaxIndexSize is what an index has at most, in bytes.
const MaxIndexSize = int64(headerSize + mostChunks*(3+3+sumSize))

// ErrTooManyChunks is returned for an image that is too large for this format: it is to be fetched whole.
var ErrTooManyChunks = errors.New("the image has too many chunks for an index")

// sum is what proves a chunk.
type sum [sumSize]byte

func sumOf(data []byte) sum {
	whole := sha256.Sum256(data)
	return sum(whole[:sumSize])
}
