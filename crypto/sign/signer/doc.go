// Package signer is what may be asked of the signer's process, and how: the
// requests and answers, the exact documents that they lead to, and a client.
//
// Invariant: the process signs only documents that this package builds from
// fields which the process has checked; it never signs bytes that a caller
// made, so that no request of one kind yields a signature of another.
//
// It must not know keys or the process's state. Whether a request is signed is
// decided by cmd/chancery-signer.
package signer
