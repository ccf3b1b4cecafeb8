// Package compliance owns matters, legal holds and exports: who orders them,
// who consents, and what follows. An order is the bytes that people sign; it
// takes effect once two different people, listed for compliance and legal, have
// signed those very bytes.
//
// Invariants: policy, the signatures and the database each refuse a second
// consent by the same person; a hold is in force for everything that checks the
// holds generation from the commit that approves it on; an export tells of a
// period of the log that was signed before it, and a period leaves once.
//
// It must not know SQL, HTTP, private keys, or how anything is opened.
package compliance
