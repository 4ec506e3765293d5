package signer

import (
	"context"
	"fmt"
	"strings"
)

// Signer signs with one key.
type Signer interface {
	Key() Key
	Sign(ctx context.Context, message []byte) ([]byte, error)
}

// Source says where a key is: one of the forms in the package comment, which
// may begin with "file:". [Command] and [Token] are made from other forms.
type Source string

// unsupported are the sources of the reference's tools that need a cloud's own library.
var unsupported = []string{"aws-kms:", "aws-ssm:"}

// resolved is a source that has been read.
type resolved struct {
	public func(ctx context.Context) (Key, error)
	open   func(ctx context.Context) (Signer, error)
}

func (s Source) resolve() (resolved, error) {
	for _, scheme := range unsupported {
		if strings.HasPrefix(string(s), scheme) {
			return resolved{}, hinted(string(s)+": keys in this cloud service are not reached directly",
				"describe a command that signs with it, such as the service's own command line, in a file KEY.toml; pubsys keys --help tells how")
		}
	}
	switch path := strings.TrimPrefix(strings.TrimPrefix(string(s), "file://"), "file:"); {
	case strings.HasPrefix(string(s), "pkcs11:"):
		t, err := parseToken(string(s))
		return resolved{t.publicKey, func(ctx context.Context) (Signer, error) { return t.open(ctx) }}, err
	case strings.HasSuffix(path, ".toml"):
		c, err := readCommand(path)
		return resolved{
			func(context.Context) (Key, error) { return c.key, nil },
			func(context.Context) (Signer, error) { return c, nil },
		}, err
	default:
		return resolved{
			func(context.Context) (Key, error) { return publicPEM(path) },
			func(context.Context) (Signer, error) { return openPEM(path) },
		}, nil
	}
}

func publicPEM(path string) (Key, error) {
	key, err := readPEM(path)
	if err != nil {
		return Key{}, err
	}
	public, err := describe(publicOf(key))
	if err != nil {
		return Key{}, fmt.Errorf("%s: %w", path, err)
	}
	return public, nil
}

// Public reads the public part of a key.
func Public(ctx context.Context, s Source) (Key, error) {
	r, err := s.resolve()
	if err != nil {
		return Key{}, fmt.Errorf("read key: %w", err)
	}
	key, err := r.public(ctx)
	if err != nil {
		return Key{}, fmt.Errorf("read key: %w", err)
	}
	return key, nil
}

// Open makes a key ready to sign. Its signatures are checked.
func Open(ctx context.Context, s Source) (Signer, error) {
	r, err := s.resolve()
	if err != nil {
		return nil, fmt.Errorf("open key: %w", err)
	}
	signer, err := r.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("open key: %w", err)
	}
	return checked{signer, s}, nil
}

// checked believes no signature that it has not verified.
type checked struct {
	Signer
	source Source
}

// Sign implements Signer.
func (c checked) Sign(ctx context.Context, message []byte) ([]byte, error) {
	signature, err := c.Signer.Sign(ctx, message)
	if err != nil {
		return nil, fmt.Errorf("sign with %s: %w", shownURI(string(c.source)), err)
	}
	if !c.Key().Verify(message, signature) {
		return nil, fmt.Errorf("sign with %s: %w", shownURI(string(c.source)), hinted(
			fmt.Sprintf("what came back, %d bytes, is no signature by its public key", len(signature)),
			"the public key belongs to another key, or the signature has another form: "+forms[c.Key().Type]))
	}
	return signature, nil
}

// forms say how signatures are written.
var forms = map[string]string{
	"ed25519": "64 raw bytes are needed",
	"ecdsa":   "ASN.1 DER over the SHA-256 of the input is needed",
	"rsa":     "RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes is needed",
}
