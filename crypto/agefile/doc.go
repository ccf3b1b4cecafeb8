// Package agefile is the one place that calls age: sealing to a hybrid
// recipient, opening, and sealing under a passphrase. It is the sealing half of
// suite age.
//
// Invariant: every exported function refuses with ErrEnforced, before any call
// into age, while FIPS 140-3 is enforced. age does not merely fail there: making
// a hybrid key spins for ever, and making a classic one gives an empty key
// without an error.
//
// It must not know what is sealed, nor for whom. That is crypto/seal's, and
// crypto/keyring's.
package agefile
