package clitest

import (
	"bytes"
	"strings"
	"sync"
)

// Buffer is a bytes.Buffer for several goroutines, such as a program's and the
// test's that looks at its log. The zero value is empty.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String is all that was written so far, as valid UTF-8.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.ToValidUTF8(b.b.String(), "?")
}
