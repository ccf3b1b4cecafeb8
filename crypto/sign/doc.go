// Package sign makes and checks the signatures of servers and archives: signer
// keys, DSSE envelopes over documents, and signed notes over checkpoints.
//
// Invariant: a signature covers exactly one byte string, and each signed
// document has one accepted encoding, so that any changed byte is found.
//
// It opens nothing, and must not know what it signs. Whether a key may sign, an
// ordinal was signed before, or a document is true is decided by callers.
package sign
