package gpt

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// imageFile is the sample in a file.
func imageFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, formatted(t, 512).Data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func openImage(t *testing.T, path string) *Disk {
	t.Helper()
	d, err := Open(path, ReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestDiskUpdate(t *testing.T) {
	path := imageFile(t)
	d := openImage(t, path)
	for _, want := range []bool{true, false} {
		written, err := d.Update(t.Context(), func(t *Table) error { t.Partition(1).Attributes = 7; return nil })
		if err != nil || written != want {
			t.Errorf("written %v, want %v; %v", written, want, err)
		}
	}
	table, err := openImage(t, path).Read(t.Context())
	if err != nil || table.Damage() != nil || table.Partition(1).Attributes != 7 {
		t.Error(table, err)
	}
	if _, err := d.Update(t.Context(), func(*Table) error { return errBroken }); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
	// The lock is gone, after the error too.
	if err := unix.Flock(int(openImage(t, path).file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Error(err)
	}
}

func TestDiskLocked(t *testing.T) {
	path := imageFile(t)
	other, d := openImage(t, path), openImage(t, path)
	if err := other.lock(t.Context(), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, ErrLocked)
	defer cancel()
	_, err := d.Update(ctx, func(*Table) error { t.Error("changed a locked disk"); return nil })
	if !errors.Is(err, ErrLocked) {
		t.Errorf("got %v", err)
	}
}

// A table that is half written when it is first read is read again when the writer is done.
func TestReadWaitsForWriter(t *testing.T) {
	path := imageFile(t)
	writer := openImage(t, path)
	if err := writer.lock(t.Context(), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	sound := make([]byte, 92)
	if _, err := writer.ReadAt(sound, 512); err != nil {
		t.Fatal(err)
	}
	if _, err := writer.WriteAt(make([]byte, 92), 512); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		time.Sleep(50 * time.Millisecond)
		_, err := writer.WriteAt(sound, 512)
		done <- errors.Join(err, writer.unlock())
	}()
	table, err := openImage(t, path).Read(t.Context())
	if err != nil || table.Damage() != nil {
		t.Error(err, table.Damage())
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir: "neither a block device nor an image file", pipe: "neither a block device nor an image file",
		"/dev/null": "neither a block device nor an image file", filepath.Join(dir, "none"): "no such file",
	} {
		if d, err := Open(path, ReadOnly); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %s", path, d, err, want)
		}
	}
}
