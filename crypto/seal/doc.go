// Package seal owns everything that opens or makes sealed content: signing
// keys, recipient identities, wraps of epoch seeds, messages, files and key
// slips. No other package of Chancery decrypts content, and the server never
// links this one.
//
// Invariant: nothing comes out of an open function before every byte that it
// rests on was checked, and each way of failing has its own error, so that two
// readers of the same bytes always agree on why they can't be read.
//
// It must not know the network, storage, chains or rights. Whether a signer
// might sign, and which epoch was current, is decided by crypto/chain.
package seal
