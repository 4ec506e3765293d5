// Package token holds the tests that sign with keys in a PKCS #11 token: one
// made of software, reached as a smart card or an HSM would be.
//
// They need pkcs11-tool (opensc) and softhsm2-util (softhsm2), and fail where
// these are missing. What a signature must look like is tested beside package
// internal/tufrepo/signer, without a token.
package token
