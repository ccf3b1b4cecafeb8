package seal

import (
	"fmt"

	"chancery/crypto/envelope"
)

// scheme is what differs between suites: how a secret is sealed to one public
// key. context binds a wrap to its purpose where the suite has a place for it.
type scheme interface {
	// allowed tells whether this process may use the suite.
	allowed() error
	// identity rebuilds the private key that a seed fixes, and its public half.
	identity(seed [32]byte) (opener, []byte, error)
	// check refuses with ErrRecipient what can't be sealed to.
	check(recipient []byte) error
	wrap(recipient, context, plaintext []byte) ([]byte, error)
}

// opener is a private key of a suite. It fails with ErrWrap.
type opener interface {
	unwrap(context, file []byte) ([]byte, error)
}

// schemeOf knows every suite that there is; others are refused here, whoever
// names them.
func schemeOf(s envelope.Suite) (scheme, error) {
	switch s {
	case envelope.SuiteAge:
		return ageScheme{}, nil
	case envelope.SuiteFIPS:
		return hpkeScheme{}, nil
	}
	return nil, fmt.Errorf("%w: %q is not known", ErrSuite, s)
}

// CheckSuite tells whether this process can seal and open for an organisation
// of suite s. Clients ask it once, of the suite that the genesis names.
func CheckSuite(s envelope.Suite) error {
	x, err := schemeOf(s)
	if err != nil {
		return err
	}
	return x.allowed()
}
