// Package refstoretest has the recorded datastore of a host of the reference,
// for the tests of whoever reads such datastores.
//
// [Unpack] is all of it; what the host's API answered is in test/vectors too.
package refstoretest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// Unpack unpacks test/vectors/datastore.tar.gz of the repository, whose root is
// given, into a folder of the test, and returns that folder.
func Unpack(t testing.TB, repository string) string {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join(repository, "test", "vectors", "datastore.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	unzip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for archive := tar.NewReader(unzip); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err == nil {
			err = unpack(filepath.Join(dir, h.Name), h, archive)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func unpack(path string, h *tar.Header, content io.Reader) error {
	switch h.Typeflag {
	case tar.TypeDir:
		return os.MkdirAll(path, 0o755)
	case tar.TypeSymlink:
		return os.Symlink(h.Linkname, path)
	}
	text, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}
