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
	"slices"
	"strings"
	"time"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/excerpt"
)

// token is a key in a PKCS #11 token: a smart card, an HSM. The program
// pkcs11-tool of OpenSC speaks to it: calling the token's library in this
// process would need cgo.
type token struct {
	uri    string
	module string // the token's library
	label  string // of the token; empty: the only one there is
	object string // label of the key; empty: the id tells which it is
	id     string // of the key, in hexadecimal; empty: not known yet
	pin    string // empty: pkcs11-tool asks at the terminal
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
	t.label, t.object, t.id = given["token"], given["object"], hex.EncodeToString([]byte(given["id"]))
	if t.object == "" && t.id == "" {
		return hinted("it names no key", tokenHint)
	}
	for name := range given {
		if !slices.Contains([]string{"token", "object", "id", "type"}, name) {
			return hinted(fmt.Sprintf("attribute %q is not known", name), tokenHint)
		}
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
	if len(input) > 0 {
		args = append(args, "--input-file", in)
	}
	if _, err := t.call(ctx, append(args, "--id", t.id, "--output-file", out)...); err != nil {
		return nil, err
	}
	data, err := durable.ReadFile(out, maxSignature)
	if err == nil && len(data) == 0 {
		err = errors.New("pkcs11-tool wrote nothing")
	}
	return data, err
}

// call runs pkcs11-tool and returns what it prints.
func (t *token) call(ctx context.Context, args ...string) ([]byte, error) {
	args = append(args, "--module", t.module)
	if t.label != "" {
		args = append(args, "--token-label", t.label)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, tokenLimit, fmt.Errorf("no answer within %s", tokenLimit))
	defer cancel()
	cmd := exec.CommandContext(ctx, "pkcs11-tool", args...)
	// Without a PIN it asks for one at the terminal.
	cmd.Stdin, cmd.Env, cmd.WaitDelay = os.Stdin, append(os.Environ(), pinVariable+"="+t.pin), killPatience
	stdout, stderr := &excerpt.Head{Limit: maxListing}, &excerpt.Head{Limit: maxStderr}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err := cmd.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, hinted("pkcs11-tool is not installed", "it is in the package opensc")
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("pkcs11-tool: %w", context.Cause(ctx))
	case err != nil:
		return nil, fmt.Errorf("pkcs11-tool: %w%s", err, said(stderr))
	}
	return stdout.Bytes(), nil
}

// maxListing bounds what is read of the list of objects.
const maxListing = 1 << 20

// find looks for the id of the key of that label: signing, pkcs11-tool passes
// over labels and takes whatever key comes first.
func (t *token) find(ctx context.Context) error {
	if t.id != "" {
		return nil
	}
	list, err := t.call(ctx, "--list-objects", "--type", "pubkey")
	if err != nil {
		return fmt.Errorf("list keys: %w", err)
	}
	found := keysLabelled(string(list), t.object)
	switch len(found) {
	case 0:
		return hinted(fmt.Sprintf("no public key has the label %q", t.object), "pkcs11-tool --list-objects lists what the token has; a key must have an id as well, which --id gives a new one, and --set-id one that is there")
	case 1:
		t.id = found[0]
		return nil
	}
	return hinted(fmt.Sprintf("%d keys have the label %q", len(found), t.object), "name the key by its id: id=%01")
}

// keysLabelled are the ids in a list of objects, of those with that label.
func keysLabelled(list, label string) (ids []string) {
	var current string
	for line := range strings.Lines(list) {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(name) {
		case "label":
			current = value
		case "ID":
			if current == label && value != "" {
				ids = append(ids, value)
			}
		default:
			if !strings.HasPrefix(line, " ") {
				current = "" // another object begins
			}
		}
	}
	return ids
}

// publicKey reads the key's public part, which needs no PIN.
func (t *token) publicKey(ctx context.Context) (Key, error) {
	if err := t.find(ctx); err != nil {
		return Key{}, fmt.Errorf("%s: %w", t.uri, err)
	}
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
