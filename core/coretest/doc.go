// Package coretest is the chat server's operations in a test: a migrated
// database of its own, a vault, a blob store, the default policy, and people
// whose devices sign and seal for real.
//
// Invariant: only the directory is played; everything else is what runs in
// production.
//
// It must not be imported by anything but tests.
package coretest
