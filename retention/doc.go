// Package retention owns how long things are kept and how they end: rules, the
// plan that says what is past its time, the run that makes it unreadable, and
// the certificate that says so for ever.
//
// Invariants: a plan is a pure function of rules, holds, coverage and a signed
// time, so that anyone can make it again; nothing goes that a hold or a minimum
// keeps, that a required recorder has not covered, or whose revisions stay;
// each batch of a run checks, under a lock that a new hold waits for, that rules
// and holds are those it was planned with; a run interrupted anywhere goes on.
//
// It must not know SQL, the vault's files, private keys or content.
package retention
