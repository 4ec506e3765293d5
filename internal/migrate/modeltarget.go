package migrate

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"

	"github.com/klauspost/compress/zstd"

	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/tufrepo"
)

// Limits of a model target.
const (
	maxModelTarget = 8 << 20  // bytes, compressed
	maxModel       = 64 << 20 // bytes
	maxModelFiles  = 4096
	maxModelWindow = 8 << 20 // bytes
)

// ModelTarget is the name of the target that holds the model of a release: a
// tar archive, compressed with zstd, of the image's folders models and variants.
func ModelTarget(variant, arch, version string) string {
	return fmt.Sprintf("model-%s-%s-%s.tar.zst", variant, arch, version)
}

// ErrNoModel is returned by LoadModelTarget for a release without one.
var ErrNoModel = errors.New("the release brings no model")

// LoadModelTarget reads the model of a release from the cache, as far as it is proved.
func LoadModelTarget(ctx context.Context, cache Cache, name, variant string, log *slog.Logger) (*model.Model, error) {
	v := &verifier{cache: cache, log: log}
	if err := v.open(ctx); err != nil {
		return nil, fixed("Failed to load TUF repo: %w", err)
	}
	packed, _, err := v.read(ctx, name, maxModelTarget)
	if errors.Is(err, tufrepo.ErrNoTarget) {
		return nil, ErrNoModel
	}
	if err != nil {
		return nil, fmt.Errorf("read model target %s: %w", name, err)
	}
	m, err := unpackModel(packed, variant)
	if err != nil {
		return nil, fmt.Errorf("read model target %s: %w", name, err)
	}
	return m, nil
}

// unpackModel lays a model out in a folder for as long as it takes to load it.
func unpackModel(packed []byte, variant string) (_ *model.Model, err error) {
	plain, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxModelWindow))
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	dir, err := os.MkdirTemp("", "hostler-model-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if err := unpack(root, tar.NewReader(io.LimitReader(plain, maxModel))); err != nil {
		return nil, err
	}
	return model.Load(root.FS(), variant)
}

// unpack adds up what the files are said to have, not what the archive has: holes
// of sparse files take no room in that.
func unpack(root *os.Root, archive *tar.Reader) error {
	left := int64(maxModel)
	for range maxModelFiles {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Size > left {
			return fmt.Errorf("%s: more than %d bytes in all", h.Name, int64(maxModel))
		}
		left -= h.Size
		if err := unpackEntry(root, h, archive); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
	return fmt.Errorf("more than %d files", maxModelFiles)
}

func unpackEntry(root *os.Root, h *tar.Header, content io.Reader) error {
	name := path.Clean(h.Name)
	switch {
	case !fs.ValidPath(name):
		return errors.New("its name leads elsewhere")
	case h.Typeflag == tar.TypeDir:
		return root.MkdirAll(name, 0o700)
	case h.Typeflag != tar.TypeReg:
		return errors.New("neither a file nor a folder")
	}
	if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}
