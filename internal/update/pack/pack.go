// Package pack makes the files of a release from what was built: images and
// migrations as lz4 frames, folders as tar.zst archives.
//
// Start with [LZ4] and [Folder]. The same input gives the same bytes, on any
// machine and at any time, so that publishing again finds that nothing changed.
// [Open] reads what was packed, for a publisher, who trusts the files; hosts do
// that in package update/image.
package pack

import (
	"archive/tar"
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// blockWorkers pack blocks at the same time; what comes out does not depend on it.
const blockWorkers = 4

// LZ4 packs size bytes of r as one frame, which states its size and has a
// checksum: as small as the format gets, as the reference's releases are.
func LZ4(w io.Writer, r io.Reader, size int64) error {
	z := lz4.NewWriter(w)
	err := z.Apply(
		lz4.CompressionLevelOption(lz4.Level9), lz4.BlockSizeOption(lz4.Block4Mb), lz4.ChecksumOption(true),
		lz4.SizeOption(uint64(size)), lz4.ConcurrencyOption(blockWorkers),
	)
	if err != nil {
		return fmt.Errorf("pack as lz4: %w", err)
	}
	n, err := io.Copy(z, io.LimitReader(r, size+1))
	if err == nil && n != size {
		err = fmt.Errorf("%d bytes, expected %d: it changes while it is read", n, size)
	}
	if closed := z.Close(); err == nil { // after an error, it tells but the same
		err = closed
	}
	if err != nil {
		return fmt.Errorf("pack as lz4: %w", err)
	}
	return nil
}

// The first four bytes of what is packed.
const (
	magicLZ4  = 0x184d2204
	magicZstd = 0xfd2fb528
)

// Format is how a file is packed.
type Format string

// The formats.
const (
	Plain Format = "plain"
	InLZ4 Format = "lz4"
	Zstd  Format = "zstd"
)

// FormatOf tells how a file begins.
func FormatOf(path string) (Format, error) {
	f, err := os.Open(path)
	if err != nil {
		return Plain, err
	}
	defer f.Close()
	return peek(bufio.NewReader(f))
}

func peek(r *bufio.Reader) (Format, error) {
	head, err := r.Peek(4)
	if errors.Is(err, io.EOF) {
		return Plain, nil
	}
	if err != nil {
		return Plain, err
	}
	switch binary.LittleEndian.Uint32(head) {
	case magicLZ4:
		return InLZ4, nil
	case magicZstd:
		return Zstd, nil
	}
	return Plain, nil
}

// Open reads a file, as it was before it was packed if it is.
func Open(path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r, err := Reader(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", path, err), f.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{r, f}, nil
}

// Reader unpacks r, if it is packed.
func Reader(r io.Reader) (io.Reader, error) {
	buffered := bufio.NewReader(r)
	format, err := peek(buffered)
	switch format {
	case InLZ4:
		return lz4.NewReader(buffered), err
	case Zstd:
		return zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1))
	}
	return buffered, err
}

// window is what whoever unpacks a folder must remember at most, in bytes.
const window = 4 << 20

// Folder packs what is in dir: files and folders, nothing else. Times and owners
// are left out; of modes only whether a file can be executed stays.
func Folder(w io.Writer, dir string) error {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window))
	if err != nil {
		return fmt.Errorf("pack %s: %w", dir, err)
	}
	archive := tar.NewWriter(z)
	// In the order of names, by the walk's promise.
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		return add(archive, dir, path, d)
	})
	if err := errors.Join(err, archive.Close(), z.Close()); err != nil {
		return fmt.Errorf("pack %s: %w", dir, err)
	}
	return nil
}

func add(archive *tar.Writer, dir, path string, d fs.DirEntry) error {
	name, err := filepath.Rel(dir, path)
	if err != nil {
		return err
	}
	info, err := d.Info()
	if err != nil {
		return err
	}
	h := &tar.Header{Name: filepath.ToSlash(name), Mode: 0o644 | int64(info.Mode()&0o111), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
	switch {
	case info.IsDir():
		h.Typeflag, h.Name, h.Mode = tar.TypeDir, h.Name+"/", 0o755
		return archive.WriteHeader(h)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is neither a file nor a folder", name)
	}
	if h.Mode != 0o644 {
		h.Mode = 0o755
	}
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if err := archive.WriteHeader(h); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(archive, f)
	return err
}
