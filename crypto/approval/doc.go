// Package approval owns what two devices of one person compute when one takes
// the other in, and what the person compares: commitments, transcripts, short
// codes, and the ticket that a QR code carries.
//
// Invariant: the new device's nonce is committed to before the approving
// device's is known, and told only after it. So whoever stands between the two
// fixes both transcripts before either code is known, and has one guess in 2³⁰.
//
// It must not know chains, private keys, storage or the network: that the
// approver is a live device, and that each nonce is used once, is for the two
// sessions to see to.
package approval
