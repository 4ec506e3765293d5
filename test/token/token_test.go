//go:build integration

package token

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/tufrepo/signer"
)

// library is where the package softhsm2 puts it.
const library = "/usr/lib/softhsm/libsofthsm2.so"

const pin = "5678"

// newToken makes a token with keys in it, and returns a file with its PIN.
func newToken(t *testing.T) (pinFile string) {
	t.Helper()
	dir := t.TempDir()
	config := fmt.Sprintf("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", dir)
	pinFile = filepath.Join(dir, "pin")
	for path, text := range map[string]string{filepath.Join(dir, "softhsm2.conf"): config, pinFile: pin + "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SOFTHSM2_CONF", filepath.Join(dir, "softhsm2.conf"))
	call(t, "softhsm2-util", "--init-token", "--free", "--label", "release", "--so-pin", "1234", "--pin", pin)
	for i, kind := range []string{"EC:prime256v1", "rsa:2048", "EC:edwards25519"} {
		call(t, "pkcs11-tool", "--module", library, "--token-label", "release", "--login", "--pin", pin,
			"--keypairgen", "--key-type", kind, "--label", kind, "--id", fmt.Sprintf("0%d", i+1))
	}
	return pinFile
}

func call(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

func TestToken(t *testing.T) {
	pinFile := newToken(t)
	query := "?module-path=" + library + "&pin-source=file:" + pinFile
	// Longer than what pkcs11-tool reads at a time.
	message := []byte(strings.Repeat("metadata ", 10_000))
	for _, path := range []string{"token=release;object=EC:prime256v1", "token=release;id=%01", "token=release;object=rsa:2048;type=private", "token=release;id=%02"} {
		uri := signer.Source("pkcs11:" + path + query)
		public, err := signer.Public(t.Context(), uri)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		s, err := signer.Open(t.Context(), uri)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		sig, err := s.Sign(t.Context(), message)
		if err != nil || !public.Verify(message, sig) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestTokenFaults(t *testing.T) {
	pinFile := newToken(t)
	wrong := filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte("0000"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ path, library, pin, want string }{
		{"token=release;object=EC:edwards25519", library, pinFile, "it is neither an ECDSA key on P-256 nor an RSA key"},
		{"token=release;object=none", library, pinFile, `no public key has the label "none"`},
		{"token=none;object=EC:prime256v1", library, pinFile, "list keys: pkcs11-tool: "},
		{"token=release;object=EC:prime256v1", "/none.so", pinFile, "list keys: pkcs11-tool: "},
		{"token=release;object=EC:prime256v1", library, wrong, "CKR_PIN_INCORRECT"},
	} {
		s, err := signer.Open(t.Context(), signer.Source("pkcs11:"+test.path+"?module-path="+test.library+"&pin-source=file:"+test.pin))
		if err == nil {
			_, err = s.Sign(t.Context(), []byte("a message"))
		}
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), pin) {
			t.Errorf("%s: got %v, want %q", test.path, err, test.want)
		}
	}
}
