package tufrepo

// What a publisher needs of this package, so that both sides agree: the form
// that is signed, what a signature is worth, and what a repository holds now.

// Canonical is the form of a JSON document that signatures cover.
func Canonical(document []byte) ([]byte, error) {
	forms, err := canonicalForms(document)
	if err != nil {
		return nil, err
	}
	return forms[0], nil
}

// PublicKey is a key that signatures can be checked with.
type PublicKey struct{ is verifier }

// ParsePublicKey reads a key as metadata describes it.
func ParsePublicKey(keytype, scheme, public string) (PublicKey, error) {
	k := &key{Type: keytype, Scheme: scheme}
	k.Value.Public = public
	v, err := publicKey(k)
	return PublicKey{v}, err
}

// Same tells whether both are one key, however metadata spells it.
func (k PublicKey) Same(o PublicKey) bool { return k.is.identity == o.is.identity }

// Verify tells whether the key signed the message.
func (k PublicKey) Verify(message, signature []byte) bool { return k.is.verify(message, signature) }

// File is a metadata file as it is published.
type File struct {
	Name string // such as 3.root.json
	Raw  []byte
}

// Proof is the metadata that was proved, the roots above the trusted one
// included, timestamp.json last. The bytes must not be changed.
func (r *Repository) Proof() []File {
	var files []File
	for _, f := range r.believed() {
		files = append(files, File{f.name, f.raw})
	}
	return files
}
