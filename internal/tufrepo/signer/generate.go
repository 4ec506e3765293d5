package signer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/hostler-os/hostler/internal/durable"
)

// rsaBits is the size of RSA keys that are made here: what is recommended beyond 2030.
const rsaBits = 3072

var generators = map[string]func() (crypto.Signer, error){
	"ed25519": func() (crypto.Signer, error) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	},
	"ecdsa": func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) },
	"rsa":   func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, rsaBits) },
}

// Kinds are the kinds of keys that can be made.
func Kinds() []string { return slices.Sorted(maps.Keys(generators)) }

// PublicFile is where the public part of the key in the file at path is put.
func PublicFile(path string) string { return strings.TrimSuffix(path, ".pem") + ".pub" }

// Generate makes a key: its private part in a file at path that only its owner
// can read, its public part in PublicFile. Files that exist stay, and are an error.
func Generate(fsys durable.FS, kind, path string) (Key, error) {
	make := generators[kind]
	if make == nil {
		return Key{}, fmt.Errorf("make key: no kind of key %q; there are %s", kind, strings.Join(Kinds(), ", "))
	}
	for _, file := range []string{path, PublicFile(path)} {
		if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
			return Key{}, fmt.Errorf("make key: %s: %w", file, errors.Join(err, hinted("there is a file already, which is not replaced", "choose another name")))
		}
	}
	secret, err := make()
	if err != nil {
		return Key{}, fmt.Errorf("make key: %w", err)
	}
	key, err := describe(secret.Public())
	if err != nil {
		return Key{}, fmt.Errorf("make key: %w", err)
	}
	return key, store(fsys, path, secret)
}

func store(fsys durable.FS, path string, secret crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	public, err := PublicPEM(secret.Public())
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	keep := durable.Attributes{Mode: 0o600, UID: durable.Keep, GID: durable.Keep}
	if err := durable.WriteFile(fsys, path, text, keep); err != nil {
		return err
	}
	keep.Mode = 0o644
	return durable.WriteFile(fsys, PublicFile(path), []byte(public), keep)
}
