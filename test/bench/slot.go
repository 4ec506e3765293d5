package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/pierrec/lz4/v4"
	"golang.org/x/sys/unix"

	"github.com/hostler-os/hostler/internal/update/image"
)

const (
	slotPart  = 32 << 20
	aimedSlot = 1.1
)

// slot writes an image over another one of which no block is the same, and
// compares that with what a shell does, which neither verifies nor reads back.
func slot(ctx context.Context, b *bench) ([]row, error) {
	parts := int64(b.times(32, 8))
	packed, disk := filepath.Join(b.dir, "image.lz4"), filepath.Join(b.dir, "slot")
	if err := packImage(packed, parts); err != nil {
		return nil, err
	}
	shell := fmt.Sprintf("lz4 -dc %s | dd of=%s bs=1M conv=fsync,notrunc iflag=fullblock status=none", packed, disk)
	var p pair
	for range b.times(7, 3) {
		floor, err := onSpoiled(disk, parts, func() error {
			out, err := exec.CommandContext(ctx, "sh", "-c", shell).CombinedOutput()
			if err != nil {
				err = fmt.Errorf("%s: %w: %s", shell, err, out)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		ours, err := onSpoiled(disk, parts, func() error { return writeImage(ctx, packed, disk, parts*slotPart) })
		if err != nil {
			return nil, err
		}
		p.floor, p.ours = append(p.floor, floor), append(p.ours, ours)
	}
	return []row{p.atMost(fmt.Sprintf("write a slot of %s, all of it different", mebibytes(parts*slotPart)), aimedSlot)}, nil
}

// slotContent is a part of an image that compresses to about two thirds, as roots do.
func slotContent(seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	data := make([]byte, slotPart)
	for at := 0; at < slotPart; at += 32 << 10 {
		for i := at; i < at+22<<10; i++ {
			data[i] = byte(r.Uint32())
		}
	}
	return data
}

func packImage(path string, parts int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w, part := lz4.NewWriter(f), slotContent(1)
	for i := range parts {
		part[i]++ // no two parts are the same
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.Sync()
}

// onSpoiled times act on a disk of which all differs from the image and of which the kernel remembers nothing.
func onSpoiled(disk string, parts int64, act func() error) (time.Duration, error) {
	f, err := os.OpenFile(disk, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	part := slotContent(2)
	for i := range parts {
		for at := 0; at < slotPart; at += 4 << 10 {
			part[at] = byte(i + 101) // the image has other bytes there, or zero
		}
		if _, err := f.WriteAt(part, i*slotPart); err != nil {
			return 0, err
		}
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return 0, err
	}
	start := time.Now()
	err = act()
	return time.Since(start), err
}

func writeImage(ctx context.Context, packed, disk string, size int64) error {
	src, err := os.Open(packed)
	if err != nil {
		return err
	}
	defer src.Close()
	p, err := image.Open(disk, 0, size)
	if err != nil {
		return err
	}
	defer p.Close()
	_, err = image.Write(ctx, p, src, image.Options{})
	return err
}
