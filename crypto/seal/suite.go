package seal

import (
	"crypto/fips140"
	"fmt"

	"chancery/crypto/envelope"
)

// CheckSuite tells whether this process can seal and open for an organisation
// of suite s. Clients ask it once, of the suite that the genesis names.
func CheckSuite(s envelope.Suite) error {
	if s != envelope.SuiteAge {
		return fmt.Errorf("%w: %q", ErrSuite, s)
	}
	return ageAllowed()
}

// ageAllowed guards every call into age. Under enforcement age does not merely
// fail: making a hybrid key spins for ever, so the call must not be reached.
func ageAllowed() error {
	if fips140.Enforced() {
		return fmt.Errorf("%w: age can't run while FIPS 140-3 is enforced", ErrSuite)
	}
	return nil
}
