package signer

import (
	"slices"
	"testing"
)

// What pkcs11-tool prints of a token with three keys, two of the same label.
const listing = `Public Key Object; RSA 2048 bits
  label:      release
  ID:         02
  Usage:      encrypt, verify, wrap
  Access:     none
Public Key Object; EC  EC_POINT 256 bits
  EC_POINT:   044104a00c
  EC_PARAMS:  06082a8648ce3d030107
  label:      root: the first
  ID:         0a0b
Public Key Object; RSA 2048 bits
  ID:         04
Public Key Object; RSA 2048 bits
  label:      release
  ID:         03
`

func TestKeysLabelled(t *testing.T) {
	for label, want := range map[string][]string{
		"release": {"02", "03"}, "root: the first": {"0a0b"}, "root": nil, "": {"04"},
	} {
		if got := keysLabelled(listing, label); !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", label, got, want)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add("pkcs11:token=a;object=b;id=%01?module-path=/x&pin-source=file:/none")
	f.Fuzz(func(t *testing.T, uri string) {
		if token, err := parseToken(uri); err == nil && (token.module == "" || token.object == "" && token.id == "") {
			t.Errorf("%q is taken as %+v", uri, token)
		}
	})
}

func FuzzParsePEM(f *testing.F) {
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAaOH5fsRCTr9yTCH1mSfG+sIrhoAN+OsJml0lE34lOzA=\n-----END PUBLIC KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := parsePEM(text)
		if err != nil {
			return
		}
		if described, err := describe(publicOf(key)); err == nil && !described.Same(described) {
			t.Errorf("%v is not itself", described)
		}
	})
}
