package seal

import (
	"errors"
	"fmt"

	"chancery/crypto/agefile"
)

// ageScheme is suite age: a wrap is an age file with one mlkem768x25519 stanza.
// age authenticates no context, so the plaintext says what it is for.
type ageScheme struct{}

func (ageScheme) allowed() error { return ageError(agefile.Allowed(), nil) }

func (ageScheme) identity(seed [32]byte) (opener, []byte, error) {
	id, err := agefile.NewIdentity(seed)
	if err != nil {
		return nil, nil, ageError(err, nil)
	}
	return ageOpener{id}, id.Recipient(), nil
}

func (ageScheme) check(recipient []byte) error {
	return ageError(agefile.Check(recipient), ErrRecipient)
}

func (ageScheme) wrap(recipient, _, plaintext []byte) ([]byte, error) {
	file, err := agefile.Seal(recipient, plaintext)
	return file, ageError(err, ErrRecipient)
}

type ageOpener struct{ *agefile.Identity }

func (o ageOpener) unwrap(_, file []byte) ([]byte, error) {
	plaintext, err := o.Open(file, MaxWrapped)
	return plaintext, ageError(err, ErrWrap)
}

// ageError gives an error of age this package's sentinel. That age may not be
// called at all is nobody's bad key or bad wrap.
func ageError(err, sentinel error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, agefile.ErrEnforced):
		return fmt.Errorf("%w: %w", ErrSuite, err)
	case sentinel == nil:
		return err
	}
	return fmt.Errorf("%w: %w", sentinel, err)
}
