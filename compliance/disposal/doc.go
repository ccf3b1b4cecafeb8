// Package disposal owns what a disposal certificate says and what it must show:
// the plan, two people who wanted it gone, and every recorder that it concerns.
//
// Invariant: signer and auditor judge by the same code, from chains that they
// verified themselves.
//
// It must not know the server, files, the network or private keys.
package disposal
