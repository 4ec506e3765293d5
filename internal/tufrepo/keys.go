package tufrepo

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
)

// keyring says who may speak for a role: keys, and how many of them must sign.
type keyring struct {
	keys map[string]*key
	role
}

// verify counts the different keys that signed e. A key that is listed under two
// ids counts once; one that is missing, or of an unknown kind, not at all.
func (k keyring) verify(what string, e envelope) error {
	signers := map[string]bool{}
	for _, id := range k.KeyIDs {
		sig, ok := e.signatures[id]
		if !ok || k.keys[id] == nil {
			continue
		}
		pub, err := publicKey(k.keys[id])
		if err == nil && pub.signed(e, sig) {
			signers[pub.identity] = true
		}
	}
	if len(signers) < k.Threshold {
		return &Error{
			Kind: ErrThreshold, What: what,
			Text: fmt.Sprintf("signed by %d of the keys that may, %d are needed", len(signers), k.Threshold),
			Hint: "the repository does not match this host's root of trust, or somebody tampers with it; " +
				"compare the metadata address with the one that the publisher names",
		}
	}
	return nil
}

// verifier is a public key that can be used.
type verifier struct {
	identity string // the same for the same key, whatever its id
	verify   func(message, signature []byte) bool
}

// signed tells whether a signature covers one of the forms of e.
func (v verifier) signed(e envelope, sig []byte) bool {
	return slices.ContainsFunc(e.forms, func(form []byte) bool { return v.verify(form, sig) })
}

var errKeyKind = errors.New("unknown kind of key")

// publicKey reads a key of one of the types and schemes in use.
func publicKey(k *key) (verifier, error) {
	switch {
	case k.Type == "ed25519" && k.Scheme == "ed25519":
		return ed25519Key(k.Value.Public)
	case k.Type == "rsa" && k.Scheme == "rsassa-pss-sha256":
		return rsaKey(k.Value.Public, func(pub *rsa.PublicKey, digest, sig []byte) error {
			// Our own signatures have a salt of 32 bytes; other tools use as much as fits.
			return rsa.VerifyPSS(pub, crypto.SHA256, digest, sig, nil)
		})
	case k.Type == "rsa" && k.Scheme == "rsa-pkcs1v15-sha256":
		return rsaKey(k.Value.Public, func(pub *rsa.PublicKey, digest, sig []byte) error {
			return rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest, sig)
		})
	case (k.Type == "ecdsa" || k.Type == "ecdsa-sha2-nistp256") && k.Scheme == "ecdsa-sha2-nistp256":
		return ecdsaKey(k.Value.Public)
	}
	return verifier{}, fmt.Errorf("%w: type %s, scheme %s", errKeyKind, printable(k.Type), printable(k.Scheme))
}

func ed25519Key(text string) (verifier, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return verifier{}, fmt.Errorf("not an ed25519 key: %d hexadecimal digits are needed", 2*ed25519.PublicKeySize)
	}
	return verifier{"ed25519 " + string(raw), func(message, sig []byte) bool {
		return ed25519.Verify(raw, message, sig)
	}}, nil
}

// leastRSABits is the size below which RSA keys are not believed.
const leastRSABits = 2048

func rsaKey(text string, check func(pub *rsa.PublicKey, digest, sig []byte) error) (verifier, error) {
	der, err := keyBytes(text)
	if err != nil {
		return verifier{}, err
	}
	pub, err := parseRSA(der)
	if err != nil {
		return verifier{}, err
	}
	if pub.N.BitLen() < leastRSABits {
		return verifier{}, fmt.Errorf("RSA key of %d bits, at least %d are needed", pub.N.BitLen(), leastRSABits)
	}
	return verifier{"rsa " + string(x509.MarshalPKCS1PublicKey(pub)), func(message, sig []byte) bool {
		digest := sha256.Sum256(message)
		return check(pub, digest[:], sig) == nil
	}}, nil
}

func parseRSA(der []byte) (*rsa.PublicKey, error) {
	if pub, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return pub, nil
	}
	any, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, err
	}
	pub, ok := any.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%T in a key of type rsa", any)
	}
	return pub, nil
}

// ecdsaKey reads a key on P-256: PEM, or in hexadecimal a point or what PEM wraps.
func ecdsaKey(text string) (verifier, error) {
	der, err := keyBytes(text)
	if err != nil {
		return verifier{}, err
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), der)
	if err != nil {
		any, err := x509.ParsePKIXPublicKey(der)
		if err != nil {
			return verifier{}, err
		}
		var ok bool
		if pub, ok = any.(*ecdsa.PublicKey); !ok || pub.Curve != elliptic.P256() {
			return verifier{}, fmt.Errorf("%T in a key on P-256", any)
		}
	}
	point, err := pub.Bytes()
	if err != nil {
		return verifier{}, err
	}
	return verifier{"ecdsa " + string(point), func(message, sig []byte) bool {
		digest := sha256.Sum256(message)
		return ecdsa.VerifyASN1(pub, digest[:], sig)
	}}, nil
}

// keyBytes decodes PEM or hexadecimal.
func keyBytes(text string) ([]byte, error) {
	if block, _ := pem.Decode([]byte(text)); block != nil {
		return block.Bytes, nil
	}
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) == 0 {
		return nil, errors.New("a key must be PEM or hexadecimal")
	}
	return raw, nil
}
