package signer_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/tufrepo/signer"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// write writes a file, and returns its path.
func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

var (
	rsaKey = must(rsa.GenerateKey(rand.Reader, 2048))
	ecKey  = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	_, ed  = must2(ed25519.GenerateKey(rand.Reader))
)

func must2[A, B any](a A, b B, err error) (A, B) {
	if err != nil {
		panic(err)
	}
	return a, b
}

// Every form in which a private key may stand in a file signs.
func TestFormsOfFiles(t *testing.T) {
	parameters := block("EC PARAMETERS", []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7})
	for name, text := range map[string]string{
		"ed25519, PKCS #8": block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(ed))),
		"ECDSA, PKCS #8":   block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(ecKey))),
		"ECDSA, SEC 1":     parameters + block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(ecKey))),
		"RSA, PKCS #8":     "made by hand\n" + block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(rsaKey))),
		"RSA, PKCS #1":     block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)),
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "key", text)
			for _, source := range []string{path, "file:" + path, "file://" + path} {
				s, err := signer.Open(t.Context(), signer.Source(source))
				if err != nil {
					t.Fatal(err)
				}
				sig, err := s.Sign(t.Context(), []byte("a message"))
				if err != nil || !s.Key().Verify([]byte("a message"), sig) || s.Key().Verify([]byte("another"), sig) {
					t.Errorf("%s: %v", source, err)
				}
			}
		})
	}
}

// What the reference's clients verify: a salt of exactly 32 bytes, SHA-256 for both hashes.
func TestSalt(t *testing.T) {
	s, err := signer.Open(t.Context(), signer.Source(write(t, "key", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)))))
	if err != nil {
		t.Fatal(err)
	}
	sig, err := s.Sign(t.Context(), []byte("a message"))
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("a message"))
	if err := rsa.VerifyPSS(&rsaKey.PublicKey, crypto.SHA256, digest[:], sig, &rsa.PSSOptions{SaltLength: 32}); err != nil {
		t.Error(err)
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	small := must(x509.ParsePKCS1PrivateKey(smallRSA(t)))
	other := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	for name, test := range map[string]struct{ text, want, hint string }{
		"encrypted, PKCS #8": {block("ENCRYPTED PRIVATE KEY", []byte{1}), "the key is encrypted", "pkcs11:"},
		"encrypted, PKCS #1": {
			"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
			"the key is encrypted", "pkcs11:",
		},
		"OpenSSH":         {block("OPENSSH PRIVATE KEY", []byte{1}), "OpenSSH's own form", "ssh-keygen -p -m PKCS8"},
		"certificate":     {block("CERTIFICATE", []byte{1}), "a certificate, not a key", "openssl x509"},
		"no PEM":          {"hello", "no key in PEM form", "pubsys keys new"},
		"a public key":    {block("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(ed.Public()))), "a public key, which cannot sign", "private"},
		"a small RSA key": {block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(small))), "an RSA key of 1024 bits, expected at least 2048", ""},
		"another curve":   {block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(other))), "an ECDSA key on P-384, expected P-256", ""},
		"damaged":         {block("PRIVATE KEY", []byte{1, 2, 3}), "asn1: ", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := signer.Open(t.Context(), signer.Source(write(t, "key.pem", test.text)))
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(signer.Hint(err), test.hint) {
				t.Errorf("got %v, hint %q", err, signer.Hint(err))
			}
		})
	}
	_, err := signer.Open(t.Context(), "aws-kms:///abc")
	if err == nil || !strings.Contains(signer.Hint(err), "KEY.toml") {
		t.Errorf("a key in a cloud: %v", err)
	}
}

// smallRSA is a key that Go itself would no longer make.
func smallRSA(t *testing.T) []byte {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	return x509.MarshalPKCS1PrivateKey(must(rsa.GenerateKey(rand.Reader, 1024)))
}

func TestGenerate(t *testing.T) {
	for _, kind := range signer.Kinds() {
		path := filepath.Join(t.TempDir(), "new", "key.pem")
		key, err := signer.Generate(durable.OS{}, kind, path)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", kind, info, err)
		}
		for _, source := range []string{path, signer.PublicFile(path)} {
			got, err := signer.Public(t.Context(), signer.Source(source))
			if err != nil || !got.Same(key) {
				t.Errorf("%s: %s: %v", kind, source, err)
			}
		}
		public, err := os.ReadFile(signer.PublicFile(path))
		if text, errPEM := key.PEM(); err != nil || errPEM != nil || text != string(public) {
			t.Errorf("%s: %v, %v, %s", kind, err, errPEM, text)
		}
		if _, err := signer.Generate(durable.OS{}, kind, path); err == nil || !strings.Contains(err.Error(), "not replaced") {
			t.Errorf("made again: %v", err)
		}
	}
	if _, err := signer.Generate(durable.OS{}, "dsa", filepath.Join(t.TempDir(), "key.pem")); err == nil {
		t.Error("an unknown kind was made")
	}
}

// The keys of a root that the reference's tool made have the ids that are computed here.
func TestIDsOfTheReference(t *testing.T) {
	raw, err := os.ReadFile("../testdata/reference/root.json")
	if err != nil {
		t.Fatal(err)
	}
	var root struct {
		Signed struct {
			Keys map[string]signer.Key `json:"keys"`
		} `json:"signed"`
	}
	if err := json.Unmarshal(raw, &root); err != nil || len(root.Signed.Keys) < 2 {
		t.Fatalf("%d keys, %v", len(root.Signed.Keys), err)
	}
	for id, key := range root.Signed.Keys {
		if got, err := key.ID(); err != nil || got != id {
			t.Errorf("%s: got %s, %v", id, got, err)
		}
	}
}

// TestMain turns the test into a command that signs.
func TestMain(m *testing.M) {
	if path := os.Getenv("SIGN_WITH"); path != "" {
		message := must(io.ReadAll(os.Stdin))
		s := must(signer.Open(context.Background(), signer.Source(path)))
		must(os.Stdout.Write(must(s.Sign(context.Background(), message))))
		return
	}
	os.Setenv("SIGNER", must(os.Executable()))
	os.Exit(m.Run())
}

// command writes a key that is a command.
func command(t *testing.T, script, limit string) signer.Source {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"sign": "#!/bin/sh\n" + script, "key.pem": block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(ecKey))),
		"key.pub":  block("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(ecKey.Public()))),
		"key.toml": "command = [\"./sign\"]\npublic-key = \"key.pub\"\n" + limit,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return signer.Source(filepath.Join(dir, "key.toml"))
}

func TestCommand(t *testing.T) {
	for name, test := range map[string]struct{ script, limit, want string }{
		"signs":            {"test \"$PUBSYS_KEY_TYPE $PUBSYS_KEY_SCHEME\" = 'ecdsa ecdsa-sha2-nistp256' && SIGN_WITH=key.pem exec \"$SIGNER\"", "", ""},
		"fails":            {"echo no such key >&2; exit 3", "", "exit status 3: no such key"},
		"prints nothing":   {"cat >/dev/null", "", "it printed nothing"},
		"signs wrongly":    {"echo signed", "", "what came back, 7 bytes, is no signature by its public key"},
		"never ends":       {"exec sleep 1000", "time-limit = \"50ms\"", "no answer within 50ms"},
		"leaves a child":   {"sleep 1000 & exec sleep 1000", "time-limit = \"50ms\"", "no answer within 50ms"},
		"prints endlessly": {"head -c 100000 /dev/zero", "", "more than the 16384 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := signer.Open(t.Context(), command(t, test.script, test.limit))
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Sign(t.Context(), []byte("a message"))
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s, err := signer.Open(ctx, command(t, "exec sleep 1000", ""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sign(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestDescriptionsThatAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"command = []":      "needs command and public-key",
		"comand = [\"x\"]":  "strict mode",
		"command = [\"x\"]": "needs command and public-key",
		"=":                 "toml: ",
		"command = [\"x\"]\npublic-key = \"none\"":                        "none",
		"command = [\"x\"]\npublic-key = \"none\"\ntime-limit = \"soon\"": "time-limit \"soon\"",
		"command = [\"x\"]\npublic-key = \"none\"\ntime-limit = \"-1s\"":  "time-limit \"-1s\"",
	} {
		_, err := signer.Open(t.Context(), signer.Source(write(t, "key.toml", text)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func TestTokensThatAreRefused(t *testing.T) {
	for uri, want := range map[string]string{
		"pkcs11:":                       "it names no key",
		"pkcs11:object=x":               "module-path, the file of the token's library, is missing",
		"pkcs11:object=x?module-path=x": "module-path, the file of the token's library, is missing",
		"pkcs11:object=x?module-path=/x&pin-value=1234":  "a PIN on a command line can be seen by everybody",
		"pkcs11:object=x?module-path=/x&pin-source=none": "read PIN: open none",
		"pkcs11:color=red;object=x?module-path=/x":       `attribute "color" is not known`,
		"pkcs11:object":     `"object" is no NAME=VALUE`,
		"pkcs11:object=%zz": `"object" is no NAME=VALUE`,
	} {
		_, err := signer.Open(t.Context(), signer.Source(uri))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "1234") {
			t.Errorf("%s: got %v, want %q", uri, err, want)
		}
	}
}
