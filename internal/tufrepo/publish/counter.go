package publish

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
)

// counter measures what is written to it, until its context ends.
type counter struct {
	sum  hash.Hash
	size int64
	ctx  context.Context // of the one call that it counts for
	tell func(bytes int64)
}

func (c *counter) Write(p []byte) (int, error) {
	if err := context.Cause(c.ctx); err != nil {
		return 0, err
	}
	c.size += int64(len(p))
	if c.tell != nil {
		c.tell(c.size)
	}
	return c.sum.Write(p)
}

func (c *counter) target() Target {
	return Target{Length: c.size, Hashes: map[string]string{"sha256": hex.EncodeToString(c.sum.Sum(nil))}}
}

// TargetOf describes data.
func TargetOf(data []byte) Target {
	count := &counter{sum: sha256.New(), size: int64(len(data))}
	count.sum.Write(data)
	return count.target()
}
