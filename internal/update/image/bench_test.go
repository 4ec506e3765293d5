package image

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/pierrec/lz4/v4"
)

const benchSize = 512 << 20

// benchImage packs an image that compresses to about a half, as root images do.
func benchImage(b *testing.B, path string) {
	b.Helper()
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := lz4.NewWriter(f)
	if err := w.Apply(lz4.BlockSizeOption(lz4.Block4Mb), lz4.ConcurrencyOption(2)); err != nil {
		b.Fatal(err)
	}
	part := content(7, 32<<20)
	for i := range benchSize / len(part) {
		part[i]++ // no two parts are the same
		if _, err := w.Write(part); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkWrite writes an image over another one, beside what a shell does
// for the same; the ratio of the two is the budget.
func BenchmarkWrite(b *testing.B) {
	dir := b.TempDir()
	packed, disk := filepath.Join(dir, "image.lz4"), filepath.Join(dir, "disk")
	benchImage(b, packed)
	shell := fmt.Sprintf("lz4 -dc %s | dd of=%s bs=1M conv=fsync,notrunc iflag=fullblock status=none", packed, disk)
	spoil(b, disk)
	var ours, theirs time.Duration
	b.SetBytes(benchSize)
	for b.Loop() {
		b.StopTimer()
		spoil(b, disk)
		start := time.Now()
		if out, err := exec.Command("sh", "-c", shell).CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		theirs += time.Since(start)
		spoil(b, disk)
		b.StartTimer()
		start = time.Now()
		benchWrite(b, packed, disk)
		ours += time.Since(start)
	}
	b.ReportMetric(float64(ours)/float64(theirs), "×lz4|dd")
}

// spoil makes all of the disk differ from the image, and the kernel forget it.
func spoil(b *testing.B, path string) {
	b.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	part := content(8, 32<<20)
	for i := range int64(benchSize / len(part)) {
		if _, err := f.WriteAt(part, i*int64(len(part))); err != nil {
			b.Fatal(err)
		}
	}
	p := &Partition{file: f, size: benchSize}
	if err := p.Sync(); err != nil {
		b.Fatal(err)
	}
	if err := p.Close(); err != nil {
		b.Fatal(err)
	}
}

func benchWrite(b *testing.B, packed, disk string) {
	b.Helper()
	src, err := os.Open(packed)
	if err != nil {
		b.Fatal(err)
	}
	defer src.Close()
	p, err := Open(disk, 0, benchSize)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	if _, err := Write(b.Context(), p, io.Reader(src), nil); err != nil {
		b.Fatal(err)
	}
}
