package seal

import (
	"bytes"
	"crypto/hpke"
	"fmt"

	"chancery/crypto/envelope"
)

// hpkeScheme is suite fips: HPKE (RFC 9180) in base mode with MLKEM1024-P384 and
// HKDF-SHA384, used for nothing but to export an AES-256 key. HPKE's own AEAD
// needs nonces that the certified module does not let a caller choose.
//
// The context goes into the key schedule twice and into the AEAD, so that a wrap
// moved to another purpose or recipient fails on its first check, whichever of
// them an implementation might forget.
type hpkeScheme struct{}

// hpkeWrap is a wrap of suite fips. It names its suite, so that a reader of
// another one refuses it by what it says and not by how it is broken.
type hpkeWrap struct {
	_       struct{} `cbor:",toarray"`
	Version uint
	Suite   envelope.Suite
	Enc     []byte // encapsulated key: ML-KEM-1024 ciphertext 1,568 ‖ P-384 point 97
	Sealed  []byte // nonce 12 ‖ ciphertext ‖ tag 16
}

func (hpkeScheme) allowed() error { return nil }

func (hpkeScheme) identity(seed [32]byte) (opener, []byte, error) {
	private, err := hpke.MLKEM1024P384().NewPrivateKey(seed[:])
	if err != nil {
		return nil, nil, err
	}
	return hpkeOpener{private}, private.PublicKey().Bytes(), nil
}

func (s hpkeScheme) check(recipient []byte) error {
	_, err := s.parse(recipient)
	return err
}

// parse leaves the size, the range of ML-KEM's coefficients and the point to the
// library. It takes uncompressed points only, so a key has one spelling; the
// comparison holds it to that.
func (hpkeScheme) parse(recipient []byte) (hpke.PublicKey, error) {
	public, err := hpke.MLKEM1024P384().NewPublicKey(recipient)
	if err != nil {
		return nil, fmt.Errorf("%w: not an MLKEM1024-P384 key: %v", ErrRecipient, err)
	}
	if !bytes.Equal(public.Bytes(), recipient) {
		return nil, fmt.Errorf("%w: a second spelling of a key", ErrRecipient)
	}
	return public, nil
}

func (s hpkeScheme) wrap(recipient, context, plaintext []byte) ([]byte, error) {
	public, err := s.parse(recipient)
	if err != nil {
		return nil, err
	}
	enc, sender, err := hpke.NewSender(public, hpke.HKDFSHA384(), hpke.ExportOnly(), context)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrRecipient, err)
	}
	exported, err := sender.Export(string(context), len(DataKey{}))
	if err != nil {
		return nil, err
	}
	return envelope.Marshal(&hpkeWrap{
		Version: envelope.Version, Suite: envelope.SuiteFIPS, Enc: enc,
		Sealed: SealBytes(DataKey(exported), context, plaintext),
	}), nil
}

type hpkeOpener struct{ private hpke.PrivateKey }

func (o hpkeOpener) unwrap(context, file []byte) ([]byte, error) {
	var w hpkeWrap
	if err := envelope.Unmarshal(file, &w); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrWrap, err)
	}
	if w.Version != envelope.Version || w.Suite != envelope.SuiteFIPS {
		return nil, fmt.Errorf("%w: version %d of suite %q", ErrWrap, w.Version, w.Suite)
	}
	recipient, err := hpke.NewRecipient(w.Enc, o.private, hpke.HKDFSHA384(), hpke.ExportOnly(), context)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrWrap, err)
	}
	exported, err := recipient.Export(string(context), len(DataKey{}))
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrWrap, err)
	}
	plaintext, err := OpenBytes(DataKey(exported), context, w.Sealed)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrWrap, err) // a message's ErrUndecryptable is another thing
	}
	return plaintext, nil
}
