package delta

import "io"

// gear is g of the package's comment.
var gear = func() (table [256]uint64) {
	for i := range table {
		n := uint64(i) + 0x9e3779b97f4a7c15
		n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
		n = (n ^ n>>27) * 0x94d049bb133111eb
		table[i] = n ^ n>>31
	}
	return table
}()

// What ends a chunk is rarer before it has the usual size than behind it, so that sizes vary less.
const (
	rareEnd  = (1<<16 - 1) << (64 - 16)
	oftenEnd = (1<<12 - 1) << (64 - 12)
)

// cut is the size of the chunk that data begins with. data has at least
// mostChunk bytes, or is the rest of the image. The race detector would look at
// each byte of each image; data is the caller's alone.
//
//go:norace
func cut(data []byte) int {
	data = data[:min(len(data), mostChunk)]
	var n uint64
	usual := min(len(data), usualChunk)
	i := leastChunk
	for ; i < usual; i++ {
		if n = n<<1 + gear[data[i]]; n&rareEnd == 0 {
			return i + 1
		}
	}
	for ; i < len(data); i++ {
		if n = n<<1 + gear[data[i]]; n&oftenEnd == 0 {
			return i + 1
		}
	}
	return len(data)
}

// cutter cuts what it reads into chunks.
type cutter struct {
	r     io.Reader
	buf   []byte
	ahead []byte // read, and not yet cut
	err   error  // how r ended
}

func newCutter(r io.Reader) *cutter { return &cutter{r: r, buf: make([]byte, 16*mostChunk)} }

// next is the next chunk, valid until the next call. At the end the error is io.EOF.
func (c *cutter) next() ([]byte, error) {
	if len(c.ahead) < mostChunk && c.err == nil {
		c.fill()
	}
	if c.err != nil && c.err != io.EOF {
		return nil, c.err
	}
	if len(c.ahead) == 0 {
		return nil, io.EOF
	}
	size := cut(c.ahead)
	chunk := c.ahead[:size]
	c.ahead = c.ahead[size:]
	return chunk, nil
}

func (c *cutter) fill() {
	kept := copy(c.buf, c.ahead)
	var n int
	n, c.err = io.ReadFull(c.r, c.buf[kept:])
	if c.err == io.ErrUnexpectedEOF {
		c.err = io.EOF
	}
	c.ahead = c.buf[:kept+n]
}
