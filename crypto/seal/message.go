package seal

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"

	"chancery/crypto/envelope"
)

const comSize = 32

// Seal makes the signed entry of one message and the salt that travels beside
// it. The header names the key's epoch and the device; SaltCommit is filled in.
// Callers must persist the entry before sending it: sealing again gives another.
func Seal(key EpochKey, header envelope.Header, body envelope.Body, device *SigningKey) (*envelope.Entry, [32]byte, error) {
	var salt [32]byte
	rand.Read(salt[:])
	header.SaltCommit = envelope.SaltCommit(salt[:])
	entry, err := sealWith(key, &header, &body, device, salt)
	if err != nil {
		return nil, salt, fmt.Errorf("sealing message: %w", err)
	}
	return entry, salt, nil
}

func sealWith(key EpochKey, header *envelope.Header, body *envelope.Body, device *SigningKey, salt [32]byte) (*envelope.Entry, error) {
	if err := key.check(header); err != nil {
		return nil, err
	}
	if header.Device != device.ID() {
		return nil, fmt.Errorf("%w: header names device %s, key is %s", ErrContext, header.Device, device.ID())
	}
	plain, err := encodeBody(body, header)
	if err != nil {
		return nil, err
	}
	e := &envelope.Entry{Kind: envelope.KindMessage, Header: envelope.Marshal(header)}
	if _, err := envelope.ParseHeader(e); err != nil {
		return nil, err
	}
	e.Payload = key.secret(e.Header, salt[:]).payload(e.Header, pad(plain))
	SignEntry(e, device)
	return e, checkSize(e)
}

func checkSize(e *envelope.Entry) error {
	if len(e.Header) > envelope.MaxHeader || len(e.Payload) > envelope.MaxPayload {
		return fmt.Errorf("%w: header has %d bytes, payload %d; limits are %d and %d", envelope.ErrFormat,
			len(e.Header), len(e.Payload), envelope.MaxHeader, envelope.MaxPayload)
	}
	return nil
}

// Opened is a message that could be read. Its signature and its sender's rights
// are crypto/chain's to check.
type Opened struct {
	Header envelope.Header
	Body   envelope.Body
	Secret Secret // opens this one message, for recorders and auditors
}

// Open reads a message. It fails with ErrContext when key is of another epoch,
// with ErrSalt when salt is not the committed one, and otherwise for a reason
// that lies in the signed bytes (see Exception). With such a reason it returns
// the header and the secret all the same: they are what proves the exception.
func Open(key EpochKey, e *envelope.Entry, salt []byte) (*Opened, error) {
	header, err := envelope.ParseHeader(e)
	if err != nil {
		return nil, fmt.Errorf("opening message: %w", err)
	}
	if err := key.check(header); err != nil {
		return nil, fmt.Errorf("opening message: %w", err)
	}
	commit := envelope.SaltCommit(salt)
	if subtle.ConstantTimeCompare(commit[:], header.SaltCommit[:]) != 1 || len(salt) != 32 {
		return nil, fmt.Errorf("opening message: %w", ErrSalt)
	}
	secret := key.secret(e.Header, salt)
	body, err := OpenSecret(secret, e)
	if err != nil {
		return &Opened{Header: *header, Secret: secret}, err
	}
	return &Opened{*header, *body, secret}, nil
}

// OpenSecret reads a message with its secret alone, as an auditor does. An
// entry whose payload was disposed of fails with envelope.ErrFormat.
func OpenSecret(x Secret, e *envelope.Entry) (*envelope.Body, error) {
	header, err := envelope.ParseHeader(e)
	if err != nil {
		return nil, fmt.Errorf("opening message: %w", err)
	}
	padded, err := x.open(e)
	if err != nil {
		return nil, fmt.Errorf("opening message: %w", err)
	}
	plain, err := unpad(padded)
	if err != nil {
		return nil, fmt.Errorf("opening message: %w", err)
	}
	body, err := decodeBody(plain, header)
	if err != nil {
		return nil, fmt.Errorf("opening message: %w", err)
	}
	return body, nil
}

// Cov is the 32 bytes that prove, in a coverage leaf, that the message was opened.
func (x Secret) Cov() []byte {
	cov := expand[[32]byte](x, envelope.Frame("cov"))
	return cov[:]
}

func (x Secret) com() [comSize]byte { return expand[[comSize]byte](x, envelope.Frame("com")) }
func (x Secret) key() DataKey       { return expand[DataKey](x, envelope.Frame("key")) }

// payload is com ‖ nonce ‖ ciphertext of padded.
func (x Secret) payload(header, padded []byte) []byte {
	com, aad := x.com(), envelope.SumBytes(header)
	return append(com[:], SealBytes(x.key(), aad[:], padded)...)
}

// open checks the key commitment before it decrypts: AES-GCM alone would let a
// sender make one ciphertext that reads differently under two keys.
func (x Secret) open(e *envelope.Entry) ([]byte, error) {
	if len(e.Payload) == 0 {
		return nil, fmt.Errorf("%w: no payload", envelope.ErrFormat)
	}
	com, aad := x.com(), envelope.SumBytes(e.Header)
	if len(e.Payload) < comSize || subtle.ConstantTimeCompare(com[:], e.Payload[:comSize]) != 1 {
		return nil, ErrCommit
	}
	return OpenBytes(x.key(), aad[:], e.Payload[comSize:])
}
