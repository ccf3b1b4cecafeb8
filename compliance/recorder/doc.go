// Package recorder is the compliance recorder: it follows every channel it is
// listed for from the genesis on, proves that it can open each epoch and opened
// each message, keeps a copy of its own, and judges by itself what may be
// disposed of and what may leave for an auditor.
//
// Invariants: nothing is acknowledged before the epoch's seed is on its own
// disk, nothing is covered before header, ciphertext, signature, the message's
// secret and its files are, and nothing is confirmed as disposed before the
// secret's leaf is punctured there. What was disposed of is covered again, where a
// restored server lost that, by what was kept of its opening. The server's word moves none of this: every
// entry is judged by crypto/chain and every order by the signatures of two
// people whom the organisation chain lists.
//
// It must not know HTTP, the keyring or the server's storage: the Server
// interface says what it asks, and keys come as parameters.
package recorder
