package seal

import (
	"errors"

	"chancery/crypto/envelope"
)

var (
	// ErrSuite: the organisation's suite can't be used by this process.
	ErrSuite = errors.New("suite is not available")
	// ErrRecipient: the bytes are no usable public key of the suite.
	ErrRecipient = errors.New("not a recipient")
	// ErrWrap: a wrap is changed, made for someone else, or not of our one form.
	ErrWrap = errors.New("wrap does not open")
	// ErrContext: the key or wrap is genuine, but belongs to something else.
	ErrContext = errors.New("key of another context")
	// ErrFile: a sealed file was cut, extended, reordered or changed.
	ErrFile = errors.New("sealed file does not verify")
)

// The reasons why a message does not open, in the order of the checks.
var (
	// ErrSalt blames who delivered the salt, not the sender, so it is never an
	// exception: with the right salt the message may open.
	ErrSalt = errors.New("salt does not match its commitment")
	// ErrCommit: the payload commits to another key.
	ErrCommit = errors.New("payload commits to another key")
	// ErrUndecryptable: ciphertext, nonce or tag do not fit the committed key.
	ErrUndecryptable = errors.New("ciphertext does not decrypt")
	// ErrBody: what decrypts is no body in canonical form.
	ErrBody = errors.New("malformed body")
)

// Exception gives the code under which a recorder may except a message that
// Open refused with err. It is false when err does not follow from the signed
// bytes, the epoch seed and the right salt alone.
func Exception(err error) (envelope.ExceptionCode, bool) {
	switch {
	case errors.Is(err, ErrCommit):
		return envelope.BadCommit, true
	case errors.Is(err, ErrUndecryptable):
		return envelope.Undecryptable, true
	case errors.Is(err, ErrBody):
		return envelope.MalformedBody, true
	}
	return "", false
}
