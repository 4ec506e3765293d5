package migrate

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// archived is a model target with these files.
func archived(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var packed bytes.Buffer
	z, err := zstd.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	for _, h := range headers {
		h.Mode = 0o644
		err := w.WriteHeader(&h)
		if err == nil {
			_, err = w.Write(make([]byte, h.Size))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// sparse is an archive of one file that is said to have size bytes, all of them
// a hole: GNU's sparse format 1.0, which is told by records of its own.
func sparse(t *testing.T, size string) []byte {
	t.Helper()
	// Go's writer refuses such records; others of the same length are put in their place.
	text := archived(t, tar.Header{Name: "models/bomb", Size: 512, PAXRecords: map[string]string{
		"XYZ.sparse.major": "1", "XYZ.sparse.minor": "0", "XYZ.sparse.name": "models/bomb", "XYZ.sparse.realsize": size,
	}})
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	plain, err := z.DecodeAll(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	plain = bytes.ReplaceAll(plain, []byte("XYZ.sparse."), []byte("GNU.sparse."))
	// The file's content is the map of what is not a hole: one piece without length at the end.
	at := bytes.LastIndex(plain, []byte("ustar")) &^ 511
	copy(plain[at+512:], "1\n"+size+"\n0\n")
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(plain, nil)
}

func TestModelTargetsThatAttack(t *testing.T) {
	const elsewhere = "its name leads elsewhere"
	for _, tt := range []struct {
		name   string
		packed []byte
		why    string
	}{
		{"parent", archived(t, tar.Header{Name: "../evil", Size: 1}), elsewhere},
		{"hidden parent", archived(t, tar.Header{Name: "models/../../evil", Size: 1}), elsewhere},
		{"absolute", archived(t, tar.Header{Name: "/evil", Size: 1}), elsewhere},
		{"link", archived(t, tar.Header{Name: "models", Typeflag: tar.TypeSymlink, Linkname: "/"}), "neither a file nor a folder"},
		{"hard link", archived(t, tar.Header{Name: "models", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}), "neither a file nor a folder"},
		{"device", archived(t, tar.Header{Name: "models", Typeflag: tar.TypeChar}), "neither a file nor a folder"},
		{"twice", archived(t, tar.Header{Name: "a", Size: 1}, tar.Header{Name: "a", Size: 1}), "exists"},
		{"large", archived(t, tar.Header{Name: "a", Size: maxModel + 1}), "more than"},
		{"large together", archived(t, tar.Header{Name: "a", Size: maxModel / 2}, tar.Header{Name: "b", Size: maxModel/2 + 1}), "more than"},
		{"holes", sparse(t, "0000000068719476736"), "more than"},
		{"cut", archived(t, tar.Header{Name: "a", Size: 1})[:10], "EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			temp := t.TempDir()
			t.Setenv("TMPDIR", temp)
			_, err := unpackModel(tt.packed, "any")
			if err == nil || !strings.Contains(err.Error(), tt.why) {
				t.Errorf("got %v, expected %q", err, tt.why)
			}
			if left, _ := filepath.Glob(filepath.Join(temp, "*")); left != nil {
				t.Errorf("left: %v", left)
			}
			if _, err := os.Stat(filepath.Join(temp, "..", "evil")); err == nil {
				t.Error("it wrote elsewhere")
			}
		})
	}
}
