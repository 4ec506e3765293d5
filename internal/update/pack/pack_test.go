package pack_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/hostler-os/hostler/internal/update/pack"
)

// content is larger than what is packed at a time, and can partly be packed.
func content() []byte {
	data := make([]byte, 4<<20+12345)
	state := uint64(1)
	for i := range data {
		state = state*6364136223846793005 + 1442695040888963407
		if i/4096%3 > 0 {
			data[i] = byte(state >> 60)
		}
	}
	return data
}

func TestLZ4(t *testing.T) {
	var sums []string
	for range 2 {
		var packed bytes.Buffer
		if err := pack.LZ4(&packed, bytes.NewReader(content()), int64(len(content()))); err != nil {
			t.Fatal(err)
		}
		sums = append(sums, fmt.Sprintf("%x", sha256.Sum256(packed.Bytes())))
		path := filepath.Join(t.TempDir(), "image.lz4")
		if err := os.WriteFile(path, packed.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if format, err := pack.FormatOf(path); err != nil || format != pack.InLZ4 {
			t.Errorf("it is taken as %s: %v", format, err)
		}
		r, err := pack.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || !bytes.Equal(plain, content()) {
			t.Errorf("unpacked it is something else: %v", err)
		}
	}
	if sums[0] != sums[1] {
		t.Errorf("the same image was packed differently: %v", sums)
	}
}

// A file that grows or shrinks meanwhile is not packed as if it were whole.
func TestLZ4OfAnotherSize(t *testing.T) {
	for _, size := range []int64{0, 9, 11} {
		if err := pack.LZ4(io.Discard, strings.NewReader("ten bytes!"), size); err == nil {
			t.Errorf("ten bytes were packed as %d", size)
		}
	}
}

func TestWhatIsNotPacked(t *testing.T) {
	for _, text := range []string{"", "abc", "an image"} {
		path := filepath.Join(t.TempDir(), "image")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if format, err := pack.FormatOf(path); err != nil || format != pack.Plain {
			t.Errorf("%q is taken as %s: %v", text, format, err)
		}
		r, err := pack.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || string(plain) != text {
			t.Errorf("%q reads as %q: %v", text, plain, err)
		}
	}
}

func folder(t *testing.T, mode os.FileMode) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"models/motd/schema.json": "{}", "models/a": "a", "variants/v.toml": "", "z": "z"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), mode|0o700), os.WriteFile(path, []byte(text), mode)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A folder gives the same bytes whenever and by whomever it was made, and what
// hosts must remember to unpack it stays within their limit.
func TestFolder(t *testing.T) {
	var first, second bytes.Buffer
	if err := errors.Join(pack.Folder(&first, folder(t, 0o600)), pack.Folder(&second, folder(t, 0o664))); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same folder was packed differently")
	}
	plain, err := zstd.NewReader(&first, zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for archive := tar.NewReader(plain); ; {
		h, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %o %d", h.Name, h.Mode, h.Size))
	}
	want := []string{
		"models/ 755 0", "models/a 644 1", "models/motd/ 755 0", "models/motd/schema.json 644 2", "variants/ 755 0", "variants/v.toml 644 0", "z 644 1",
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
}

func TestFolderWithLinks(t *testing.T) {
	dir := folder(t, 0o600)
	if err := os.Symlink("z", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := pack.Folder(io.Discard, dir); err == nil || !strings.Contains(err.Error(), "link is neither a file nor a folder") {
		t.Errorf("got %v", err)
	}
	if err := pack.Folder(io.Discard, filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that does not exist was packed")
	}
}
