// Package archivetest makes organisations for tests: real chains, real sealed
// messages, a real log, and archives of them.
//
// Invariant: what it makes, chain.Channel accepted entry by entry.
//
// It is for tests only; keys and texts are the test's own, and nothing is kept.
package archivetest
