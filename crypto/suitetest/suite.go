package suitetest

import (
	"crypto/fips140"
	"crypto/rand"
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/sign"
)

// Suite is the suite of whole organisations in tests: fips under enforcement,
// age otherwise.
func Suite() envelope.Suite {
	if fips140.Enforced() {
		return envelope.SuiteFIPS
	}
	return envelope.SuiteAge
}

// Suites are all that this process may use.
func Suites() []envelope.Suite {
	if fips140.Enforced() {
		return []envelope.Suite{envelope.SuiteFIPS}
	}
	return []envelope.Suite{envelope.SuiteFIPS, envelope.SuiteAge}
}

// Each runs a test in each of Suites.
func Each(t *testing.T, test func(*testing.T, envelope.Suite)) {
	t.Helper()
	for _, s := range Suites() {
		t.Run(string(s), func(t *testing.T) { test(t, s) })
	}
}

// SignerKey is a new signer's key, of the algorithm that Suite demands.
func SignerKey(t testing.TB) *sign.Key {
	t.Helper()
	make := sign.NewP384Key
	if Suite() == envelope.SuiteAge {
		make = func() (*sign.Key, error) { return sign.NewKey(rand.Reader) }
	}
	k, err := make()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// NeedsAge skips a test of suite age where age can't run. scripts/fips counts
// how often that happens, by the text.
func NeedsAge(t testing.TB) {
	t.Helper()
	if fips140.Enforced() {
		t.Skip("suite age can't run while FIPS 140-3 is enforced")
	}
}
