// Package envelope owns the wire formats of everything in Chancery that is
// signed or sealed: links, messages, acknowledgements, coverage, receipts,
// refusals and approvals.
//
// Invariant: a value that Parse returned re-encodes to the very bytes that
// were parsed, so that a signature or a hash has one meaning in every
// implementation. docs/formats describes each format field by field.
//
// It must not know private keys, clocks, chains or storage. It verifies a
// signature against a key that it is given; whether that key had the right to
// sign is decided by crypto/chain.
package envelope
