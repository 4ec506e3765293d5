package signer

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/hostler-os/hostler/internal/durable"
)

// maxKeyFile is far above what a key has.
const maxKeyFile = 64 << 10

// readers are the forms in which keys stand in PEM files, by the word in their first line.
var readers = map[string]func(der []byte) (any, error){
	"PRIVATE KEY":     x509.ParsePKCS8PrivateKey,
	"RSA PRIVATE KEY": func(der []byte) (any, error) { return x509.ParsePKCS1PrivateKey(der) },
	"EC PRIVATE KEY":  func(der []byte) (any, error) { return x509.ParseECPrivateKey(der) },
	"PUBLIC KEY":      x509.ParsePKIXPublicKey,
	"RSA PUBLIC KEY":  func(der []byte) (any, error) { return x509.ParsePKCS1PublicKey(der) },
}

// refused are forms that are known and not read, with the reason.
var refused = map[string]error{
	"ENCRYPTED PRIVATE KEY": errEncrypted,
	"OPENSSH PRIVATE KEY":   hinted("a key in OpenSSH's own form", "ssh-keygen -p -m PKCS8 -f FILE writes it as PKCS #8"),
	"CERTIFICATE":           hinted("a certificate, not a key", "openssl x509 -pubkey -noout prints the public key in it"),
}

var errEncrypted = hinted("the key is encrypted, and nothing here asks for its password",
	"keep it in a token (pkcs11:…), or let a command of yours decrypt it and sign; pubsys keys --help tells how")

// readPEM reads the one key of a file.
func readPEM(path string) (any, error) {
	text, err := durable.ReadFile(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	key, err := parsePEM(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// parsePEM passes over the parameters that openssl puts before keys on curves.
func parsePEM(text []byte) (any, error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if err := refused[block.Type]; err != nil {
			return nil, err
		}
		if strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return nil, errEncrypted
		}
		if read := readers[block.Type]; read != nil {
			return read(block.Bytes)
		}
	}
	return nil, hinted("no key in PEM form: no line as in -----BEGIN PRIVATE KEY-----", "pubsys keys new FILE makes a key")
}

// publicOf is the public part of what readPEM returns.
func publicOf(key any) any {
	if private, ok := key.(crypto.Signer); ok {
		return private.Public()
	}
	return key
}

// private is a signer whose key lies in this process's memory.
type private struct {
	key    Key
	secret crypto.Signer
}

func openPEM(path string) (Signer, error) {
	key, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	secret, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s: %w", path, hinted("a public key, which cannot sign", "name the private one"))
	}
	public, err := describe(secret.Public())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return private{public, secret}, nil
}

// Key implements Signer.
func (p private) Key() Key { return p.key }

// Sign implements Signer.
func (p private) Sign(_ context.Context, message []byte) ([]byte, error) {
	digest := sha256.Sum256(message)
	switch s := p.secret.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(s, message), nil
	case *ecdsa.PrivateKey:
		return ecdsa.SignASN1(rand.Reader, s, digest[:])
	case *rsa.PrivateKey:
		// The reference's clients take no other salt than 32 bytes.
		return rsa.SignPSS(rand.Reader, s, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	}
	return nil, errors.New("sign: unknown kind of key")
}
