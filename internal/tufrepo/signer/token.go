package signer

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hostler-os/hostler/internal/durable"
)

// token is a key in a PKCS #11 token: a smart card, an HSM. The program
// pkcs11-tool of OpenSC speaks to it: calling the token's library in this
// process would need cgo.
type token struct {
	uri    string
	module string   // the token's library
	find   []string // arguments of pkcs11-tool that tell the key from others
	pin    string   // empty: pkcs11-tool asks at the terminal
}

// finders are the attributes of a URI that tell a key from others, and
// pkcs11-tool's words for them.
var finders = []struct{ attribute, flag string }{
	{"token", "--token-label"}, {"slot-id", "--slot"}, {"object", "--label"}, {"id", "--id"},
}

// pinVariable hands the PIN on; arguments would be seen by everybody.
const pinVariable = "PUBSYS_TOKEN_PIN"

// tokenLimit leaves time for a button on the token, or for a PIN to be typed.
const tokenLimit = 2 * time.Minute

const tokenHint = "write pkcs11:token=LABEL;object=LABEL?module-path=/usr/lib/…/LIBRARY.so&pin-source=file:PINFILE"

// parseToken reads the parts of RFC 7512 that pkcs11-tool can follow.
func parseToken(uri string) (token, error) {
	path, query, _ := strings.Cut(strings.TrimPrefix(uri, "pkcs11:"), "?")
	t := token{uri: shownURI(uri)}
	attributes, err := pairs(path, ";")
	if err != nil {
		return t, fmt.Errorf("%s: %w", t.uri, err)
	}
	options, err := pairs(query, "&")
	if err != nil {
		return t, fmt.Errorf("%s: %w", t.uri, err)
	}
	if err := t.attributes(attributes); err != nil {
		return t, fmt.Errorf("%s: %w", t.uri, err)
	}
	if err := t.options(options); err != nil {
		return t, fmt.Errorf("%s: %w", t.uri, err)
	}
	return t, nil
}

// shownURI leaves out what may hold a secret.
func shownURI(uri string) string {
	short, _, _ := strings.Cut(uri, "?")
	return short
}

func pairs(text, separator string) (map[string]string, error) {
	all := map[string]string{}
	for pair := range strings.SplitSeq(text, separator) {
		if pair == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(value)
		if !ok || err != nil {
			return nil, hinted(fmt.Sprintf("%q is no NAME=VALUE", name), tokenHint)
		}
		all[name] = value
	}
	return all, nil
}

func (t *token) attributes(given map[string]string) error {
	for _, f := range finders {
		value, ok := given[f.attribute]
		if !ok {
			continue
		}
		if f.attribute == "id" {
			value = hex.EncodeToString([]byte(value))
		}
		t.find = append(t.find, f.flag, value)
		delete(given, f.attribute)
	}
	delete(given, "type")
	for name := range given {
		return hinted(fmt.Sprintf("attribute %q is not known", name), tokenHint)
	}
	if len(t.find) == 0 {
		return hinted("it names no key", tokenHint)
	}
	return nil
}

func (t *token) options(given map[string]string) error {
	t.module = given["module-path"]
	if !filepath.IsAbs(t.module) {
		return hinted("module-path, the file of the token's library, is missing", tokenHint)
	}
	if _, ok := given["pin-value"]; ok {
		return hinted("a PIN on a command line can be seen by everybody", "put it into a file that only you can read, and name that: pin-source=file:PINFILE")
	}
	source, ok := given["pin-source"]
	if !ok {
		return nil
	}
	text, err := durable.ReadFile(strings.TrimPrefix(strings.TrimPrefix(source, "file://"), "file:"), maxKeyFile)
	if err != nil {
		return fmt.Errorf("read PIN: %w", err)
	}
	t.pin = strings.TrimRight(string(text), "\r\n")
	return nil
}

// tool runs pkcs11-tool with files of its own, and returns the one that it writes.
func (t *token) tool(ctx context.Context, input []byte, args ...string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "pubsys-token-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.WriteFile(in, input, 0o600); err != nil {
		return nil, err
	}
	args = append(append([]string{"--module", t.module}, t.find...), args...)
	if len(input) > 0 {
		args = append(args, "--input-file", in)
	}
	if err := t.call(ctx, append(args, "--output-file", out)); err != nil {
		return nil, err
	}
	data, err := durable.ReadFile(out, maxSignature)
	if err == nil && len(data) == 0 {
		err = errors.New("pkcs11-tool wrote nothing")
	}
	return data, err
}

func (t *token) call(ctx context.Context, args []string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, tokenLimit, fmt.Errorf("no answer within %s", tokenLimit))
	defer cancel()
	cmd := exec.CommandContext(ctx, "pkcs11-tool", args...)
	// Without a PIN it asks for one at the terminal.
	cmd.Stdin, cmd.Env, cmd.WaitDelay = os.Stdin, append(os.Environ(), pinVariable+"="+t.pin), killPatience
	said := &bounded{most: maxStderr}
	cmd.Stdout, cmd.Stderr = said, said
	err := cmd.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return hinted("pkcs11-tool is not installed", "it is in the package opensc")
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("pkcs11-tool: %w", context.Cause(ctx))
	case err != nil:
		return fmt.Errorf("pkcs11-tool: %w%s", err, said.said())
	}
	return nil
}

// publicKey reads the key's public part, which needs no PIN.
func (t *token) publicKey(ctx context.Context) (Key, error) {
	der, err := t.tool(ctx, nil, "--read-object", "--type", "pubkey")
	if err != nil {
		return Key{}, fmt.Errorf("%s: read public key: %w", t.uri, err)
	}
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return Key{}, fmt.Errorf("%s: %w", t.uri, errTokenKind)
	}
	key, err := describe(public)
	if err != nil {
		return Key{}, fmt.Errorf("%s: %w", t.uri, err)
	}
	if mechanisms[key.Type] == nil {
		return Key{}, fmt.Errorf("%s: %w", t.uri, errTokenKind)
	}
	return key, nil
}

// errTokenKind: tokens sign with ed25519 in one call of at most a KiB, as
// pkcs11-tool makes it, and metadata is longer.
var errTokenKind = hinted("it is neither an ECDSA key on P-256 nor an RSA key", "make such a key in the token")

// mechanisms are what signs the SHA-256 of a message.
var mechanisms = map[string][]string{
	"ecdsa": {"--mechanism", "ECDSA", "--signature-format", "openssl"},
	"rsa":   {"--mechanism", "RSA-PKCS-PSS", "--hash-algorithm", "SHA256", "--mgf", "MGF1-SHA256", "--salt-len", "32"},
}

func (t *token) open(ctx context.Context) (Signer, error) {
	key, err := t.publicKey(ctx)
	return &tokenSigner{t, key}, err
}

// tokenSigner is a token whose key was found.
type tokenSigner struct {
	*token
	key Key
}

// Key implements Signer.
func (s *tokenSigner) Key() Key { return s.key }

// Sign implements Signer.
func (s *tokenSigner) Sign(ctx context.Context, message []byte) ([]byte, error) {
	digest := sha256.Sum256(message)
	args := append([]string{"--sign", "--login"}, mechanisms[s.key.Type]...)
	if s.pin != "" {
		args = append(args, "--pin", "env:"+pinVariable)
	}
	return s.tool(ctx, digest[:], args...)
}
