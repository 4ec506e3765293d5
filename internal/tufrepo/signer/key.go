package signer

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hostler-os/hostler/internal/tufrepo"
)

// Key is a public key as metadata has it. Members that nobody here knows are
// kept: they are a part of what the key's id is computed from.
type Key struct {
	Type    string         `json:"keytype"`
	Value   Value          `json:"keyval"`
	Scheme  string         `json:"scheme"`
	Unknown jsontext.Value `json:",embed"`
}

// Value is the key itself: hexadecimal for ed25519, else PEM without a newline at the end.
type Value struct {
	Public  string         `json:"public"`
	Unknown jsontext.Value `json:",embed"`
}

// ID is the lower-case hexadecimal SHA-256 of the key's canonical form.
func (k Key) ID() (string, error) {
	text, err := json.Marshal(k)
	if err != nil {
		return "", fmt.Errorf("compute key id: %w", err)
	}
	form, err := tufrepo.Canonical(text)
	if err != nil {
		return "", fmt.Errorf("compute key id: %w", err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(form)), nil
}

// Same tells whether two descriptions are of one key.
func (k Key) Same(o Key) bool {
	a, errA := k.parse()
	b, errB := o.parse()
	return errA == nil && errB == nil && a.Same(b)
}

// Verify tells whether the key signed the message.
func (k Key) Verify(message, signature []byte) bool {
	p, err := k.parse()
	return err == nil && p.Verify(message, signature)
}

// PEM writes the key as other programs read it.
func (k Key) PEM() (string, error) {
	if k.Type != "ed25519" {
		return strings.TrimSpace(k.Value.Public) + "\n", nil
	}
	raw, err := hex.DecodeString(k.Value.Public)
	if err != nil {
		return "", err
	}
	return PublicPEM(ed25519.PublicKey(raw))
}

func (k Key) parse() (tufrepo.PublicKey, error) {
	return tufrepo.ParsePublicKey(k.Type, k.Scheme, k.Value.Public)
}

// Kind describes the key for people.
func (k Key) Kind() string {
	switch k.Type {
	case "rsa":
		return "RSA-PSS"
	case "ed25519":
		return "ed25519"
	case "ecdsa", "ecdsa-sha2-nistp256":
		return "ECDSA P-256"
	}
	return k.Type
}

// leastRSABits is what clients of repositories ask for.
const leastRSABits = 2048

// describe writes a public key as metadata has it.
func describe(public any) (Key, error) {
	switch p := public.(type) {
	case ed25519.PublicKey:
		return Key{Type: "ed25519", Scheme: "ed25519", Value: Value{Public: hex.EncodeToString(p)}}, nil
	case *ecdsa.PublicKey:
		if p.Curve != elliptic.P256() {
			return Key{}, fmt.Errorf("an ECDSA key on %s, expected P-256", p.Curve.Params().Name)
		}
		return inPEM("ecdsa", "ecdsa-sha2-nistp256", p)
	case *rsa.PublicKey:
		if bits := p.N.BitLen(); bits < leastRSABits {
			return Key{}, fmt.Errorf("an RSA key of %d bits, expected at least %d", bits, leastRSABits)
		}
		return inPEM("rsa", "rsassa-pss-sha256", p)
	}
	return Key{}, fmt.Errorf("a key of type %T, expected ed25519, ECDSA on P-256 or RSA", public)
}

// inPEM leaves out the newline at the end, as the reference's tools do: the key
// would otherwise have another id.
func inPEM(kind, scheme string, public any) (Key, error) {
	text, err := PublicPEM(public)
	return Key{Type: kind, Scheme: scheme, Value: Value{Public: strings.TrimSpace(text)}}, err
}

// PublicPEM writes a public key of crypto as others read it.
func PublicPEM(public any) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}
