package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"testing"
)

// What is summed up is what the disk has of the image, and nothing behind it.
func TestSum(t *testing.T) {
	const room = 5*blockSize + 12345
	path, p := disk(t, room)
	data := content(1, room)
	if _, err := p.WriteAt(data, 0); err != nil {
		t.Fatal(err)
	}
	if err := p.Sync(); err != nil {
		t.Fatal(err)
	}
	back, err := OpenBack(path, 4096, room)
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	for _, size := range []int64{1, 4095, blockSize, 2*blockSize + 1, room} {
		var told int64
		got, err := back.Sum(t.Context(), size, func(done int64) { told = done })
		if want := sha256.Sum256(data[:size]); err != nil || !bytes.Equal(got, want[:]) || told != size {
			t.Errorf("of %d bytes: %x, %v, told %d; want %x", size, got, err, told, want)
		}
	}
	if _, err := back.Sum(t.Context(), room+1, func(int64) {}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("more than there is: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := back.Sum(ctx, room, func(int64) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := os.Truncate(path, 4096+2*blockSize); err != nil {
		t.Fatal(err)
	}
	if _, err := back.Sum(t.Context(), room, func(int64) {}); err == nil {
		t.Error("a disk that ends before is read to its end")
	}
}
