package tufrepotest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strings"
)

// Key signs metadata.
type Key struct {
	ID     string
	Public map[string]any // as metadata has it
	sign   func(message []byte) ([]byte, error)
}

// Kind is a key's type, scheme and the form in which metadata has it.
type Kind struct {
	Type, Scheme, Form string
}

// The kinds that repositories in the field use.
var (
	Ed25519  = Kind{"ed25519", "ed25519", "hex"}
	ECDSA    = Kind{"ecdsa", "ecdsa-sha2-nistp256", "pem"}
	ECDSAHex = Kind{"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", "hex"}
	RSA      = Kind{"rsa", "rsassa-pss-sha256", "pem"}
	RSAOld   = Kind{"rsa", "rsa-pkcs1v15-sha256", "pem"}
)

// NewKey makes a key.
func NewKey(kind Kind) (*Key, error) {
	public, sign, err := generate(kind)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	k := &Key{sign: sign, Public: map[string]any{
		"keytype": kind.Type, "scheme": kind.Scheme, "keyval": map[string]any{"public": public},
	}}
	k.Rename()
	return k, nil
}

// Rename computes the key's id again, after Public was changed.
func (k *Key) Rename() { k.ID = fmt.Sprintf("%x", sha256.Sum256(Canonical(k.Public))) }

func generate(kind Kind) (public string, sign func([]byte) ([]byte, error), err error) {
	switch kind.Type {
	case "ed25519":
		pub, key, err := ed25519.GenerateKey(rand.Reader)
		return hex.EncodeToString(pub), func(m []byte) ([]byte, error) { return ed25519.Sign(key, m), nil }, err
	case "rsa":
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return "", nil, err
		}
		return inPEM(&key.PublicKey), func(m []byte) ([]byte, error) { return signRSA(kind, key, m) }, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", nil, err
	}
	sign = func(m []byte) ([]byte, error) {
		digest := sha256.Sum256(m)
		return ecdsa.SignASN1(rand.Reader, key, digest[:])
	}
	if kind.Form == "hex" {
		point, err := key.PublicKey.Bytes()
		return hex.EncodeToString(point), sign, err
	}
	return inPEM(&key.PublicKey), sign, nil
}

func signRSA(kind Kind, key *rsa.PrivateKey, message []byte) ([]byte, error) {
	digest := sha256.Sum256(message)
	if kind.Scheme == RSAOld.Scheme {
		return rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	}
	return rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
}

// inPEM has no newline at the end, like the keys that the reference's tools write.
func inPEM(public any) string {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		panic(err) // of a key that was just made
	}
	return strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
}
