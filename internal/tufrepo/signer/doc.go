// Package signer is the keys that metadata of a repository is signed with:
// making them, describing them as metadata does, and signing with them
// wherever they lie.
//
// Start with [Open], which takes what a person names a key by:
//
//	keys/release.pem            a private key in a PEM file
//	keys/release.toml           a command that signs, described in a file
//	pkcs11:token=T;object=L?…   a key in a token, as RFC 7512 names it
//
// A signature is checked against the public key before it is handed on, so that
// a command or a token that signs something else is found out at once. [Public]
// reads only the public part, for which a public key in PEM is enough.
//
// Three kinds of keys are in use: ed25519, ECDSA on P-256, and RSA-PSS with
// SHA-256 and a salt of 32 bytes, which is what the reference's clients take.
// The package knows nothing of roles: who may sign what is said in root
// metadata, package tufrepo/publish.
package signer
