// Package suitetest tells tests which suites they can run in, so that all of
// them skip or switch for one reason only.
//
// Invariant: under FIPS enforcement nothing of suite age runs and everything
// else does, in suite fips; without it both run.
package suitetest
