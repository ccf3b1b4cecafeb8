// Package compliancetest is a small organisation on a real database, for tests
// of what people order: chains, accounts, devices that sign, channels with
// entries.
//
// Invariant: chains, hashes and signatures are real, so that what is refused is
// refused for the reason that the test names.
//
// It must not know what is tested.
package compliancetest
