// Package keyring owns private keys and device state at rest on a client: a
// directory of sealed items under a master key, which a passphrase protects.
//
// Invariant: after Put, PutDurable, Delete or ChangePassphrase returned nil,
// the change survives a crash; after an error or a crash either the old or the
// new value is there, whole. One process at a time holds a keyring.
//
// It must not know what an item means, nor any chain, channel or network. It
// can't tell a directory that was restored from a copy: a device whose state is
// old enrols as a new device. Names of items are not secret.
package keyring
