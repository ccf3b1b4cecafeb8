// Package p384 owns the one form of ECDSA signatures that Chancery knows: P-384
// with SHA-384, for checkpoints, archives and certificates of suite fips.
//
// Invariant: a key has one encoding (SEC 1, uncompressed, 97 bytes) and a
// signature one too (r ‖ s, 48 bytes each, s in the lower half): from a good
// signature nobody without the key can make a second one, and the same key signs
// the same bytes alike (RFC 6979), so a repeated request has the same answer.
//
// It must not know what is signed, nor names of keys.
package p384
