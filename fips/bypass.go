package fips

import "crypto/fips140"

// WithoutEnforcement runs a WebSocket handshake outside of FIPS enforcement. It is the one bypass of Chancery: RFC 6455
// wants SHA-1 over a public value there, where it protects nothing. A test finds every other caller, and every other
// use of the standard library's function of this name.
func WithoutEnforcement(handshake func()) { fips140.WithoutEnforcement(handshake) }
