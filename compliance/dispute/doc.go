// Package dispute owns the file in which a dispute about a recorder's coverage
// goes to an auditor, and the judgement of it, offline.
//
// Invariant: nothing in the file is believed. The organisation is the pinned
// one, the disputer's device is in their chain, the recorder was listed, and what
// the evidence shows follows from bytes that the recorder has signed.
//
// It must not know the network, or where the auditor's key comes from.
package dispute
