package envelope

import (
	"bytes"
	"fmt"
	"slices"
)

// Kind says which of the four signed things an entry is.
type Kind uint8

const (
	KindLink            Kind = 1 // changes a chain: organisation, user or channel
	KindMessage         Kind = 2 // a sealed payload
	KindAcknowledgement Kind = 3 // a recorder can open an epoch
	KindCoverage        Kind = 4 // a recorder opened a range
)

// Entry is one signed thing as it travels and as it is kept: the header bytes
// exactly as signed, the ciphertext part (messages only) and its signatures.
type Entry struct {
	_          struct{} `cbor:",toarray"`
	Kind       Kind
	Header     []byte
	Payload    []byte // com ‖ nonce ‖ ciphertext; empty once disposed, and in all but messages
	Signatures []Signature
}

// Signature is an Ed25519 signature by the key that Key names. Several are
// sorted by key and name different keys.
type Signature struct {
	_     struct{} `cbor:",toarray"`
	Key   KeyID
	Bytes []byte // 64 bytes
}

// SigningInput is what every signature on an entry signs.
func SigningInput(k Kind, header, payload Hash) []byte {
	return Frame("sign", uint8(k), header, payload)
}

// Hash is the entry's place in every chain. It covers the payload by its hash
// only, so that disposing of a payload breaks no chain.
func (e *Entry) Hash() Hash {
	return EntryHash(e.Kind, SumBytes(e.Header), SumBytes(e.Payload), e.Signatures)
}

// EntryHash is Entry.Hash for one whose payload is known by its hash alone.
func EntryHash(k Kind, header, payload Hash, sigs []Signature) Hash {
	return Sum("entry", uint8(k), header, payload, Marshal(sigs))
}

// Verify checks that key signed the entry. Whether the key may sign is for
// crypto/chain to say.
func (e *Entry) Verify(public []byte) error {
	return VerifyEntry(e.Kind, SumBytes(e.Header), SumBytes(e.Payload), e.Signatures, public)
}

// VerifyEntry is Entry.Verify for one whose payload is known by its hash alone.
func VerifyEntry(k Kind, header, payload Hash, sigs []Signature, public []byte) error {
	id := KeyOf(public)
	i := slices.IndexFunc(sigs, func(s Signature) bool { return s.Key == id })
	if i < 0 {
		return fmt.Errorf("%w: no signature by key %s", ErrSignature, id)
	}
	return VerifySignature(public, SigningInput(k, header, payload), sigs[i].Bytes)
}

// ParseEntry decodes one entry and checks its shape and sizes, not its
// signatures.
func ParseEntry(b []byte) (*Entry, error) {
	if len(b) > MaxHeader+MaxPayload+1024 {
		return nil, fmt.Errorf("%w: entry has %d bytes", ErrFormat, len(b))
	}
	var e Entry
	if err := Unmarshal(b, &e); err != nil {
		return nil, err
	}
	return &e, e.check()
}

func (e *Entry) check() error {
	switch {
	case e.Kind < KindLink || e.Kind > KindCoverage:
		return fmt.Errorf("%w: entry kind %d", ErrFormat, e.Kind)
	case len(e.Header) > MaxHeader:
		return fmt.Errorf("%w: header has %d bytes, limit %d", ErrFormat, len(e.Header), MaxHeader)
	case len(e.Payload) > MaxPayload:
		return fmt.Errorf("%w: payload has %d bytes, limit %d", ErrFormat, len(e.Payload), MaxPayload)
	case e.Kind != KindMessage && len(e.Payload) != 0:
		return fmt.Errorf("%w: payload on an entry of kind %d", ErrFormat, e.Kind)
	case e.Kind == KindMessage && len(e.Payload) < minPayload:
		return fmt.Errorf("%w: payload has %d bytes: not sealed", ErrFormat, len(e.Payload))
	}
	return checkSignatures(e.Kind, e.Signatures)
}

func checkSignatures(k Kind, sigs []Signature) error {
	if n := len(sigs); n == 0 || n > 16 || (n > 1 && k != KindLink) {
		return fmt.Errorf("%w: %d signatures", ErrFormat, n)
	}
	for i, s := range sigs {
		if len(s.Bytes) != 64 {
			return fmt.Errorf("%w: signature %d has %d bytes", ErrFormat, i, len(s.Bytes))
		}
		if i > 0 && bytes.Compare(sigs[i-1].Key[:], s.Key[:]) >= 0 {
			return fmt.Errorf("%w: signatures not sorted by key", ErrFormat)
		}
	}
	return nil
}

// Attach adds a signature in its sorted place.
func (e *Entry) Attach(s Signature) {
	at, _ := slices.BinarySearchFunc(e.Signatures, s.Key, func(s Signature, k KeyID) int {
		return bytes.Compare(s.Key[:], k[:])
	})
	e.Signatures = slices.Insert(e.Signatures, at, s)
}

// NextHead is the channel's head after entry, with hash h, was placed at
// position i and received at (µs since 1970, UTC).
func NextHead(prev Hash, i uint64, received int64, h Hash) Hash {
	return Sum("head", prev, i, received, h)
}

// Placed is an entry at its position in a channel's one total order.
type Placed struct {
	_        struct{} `cbor:",toarray"`
	Position uint64
	Received int64 // µs since 1970, UTC; never decreases
	Head     Hash  // the channel's head after this entry
	Entry    Entry
	Payload  Hash   // SHA-256 of the payload, which stays when the payload goes
	Salt     []byte // 32 bytes beside a live message, else empty; outside everything signed
}

// Hash is the entry's hash, also when its payload has been disposed of.
func (p *Placed) Hash() Hash {
	return EntryHash(p.Entry.Kind, SumBytes(p.Entry.Header), p.Payload, p.Entry.Signatures)
}

// Disposed tells that a message's payload is gone.
func (p *Placed) Disposed() bool { return p.Entry.Kind == KindMessage && len(p.Entry.Payload) == 0 }

// CompareUser orders user ids as every Merkle list and header does.
func CompareUser(a, b UserID) int { return bytes.Compare(a[:], b[:]) }

// CompareKey orders key ids likewise.
func CompareKey(a, b KeyID) int { return bytes.Compare(a[:], b[:]) }

// sorted tells whether list rises strictly under compare.
func sorted[T any](list []T, compare func(a, b T) int) bool {
	for i := 1; i < len(list); i++ {
		if compare(list[i-1], list[i]) >= 0 {
			return false
		}
	}
	return true
}

// ParsePlaced decodes a placed entry. A disposed message has no payload and no
// salt; one with a payload must hash to Payload.
func ParsePlaced(b []byte) (*Placed, error) {
	var p Placed
	if err := Unmarshal(b, &p); err != nil {
		return nil, err
	}
	return &p, p.Check()
}

// Check tells whether the parts of a placed entry agree with one another.
func (p *Placed) Check() error {
	if n := len(p.Salt); n != 0 && (n != 32 || p.Disposed() || p.Entry.Kind != KindMessage) {
		return fmt.Errorf("%w: salt of %d bytes beside entry %d", ErrFormat, n, p.Position)
	}
	if p.Disposed() {
		if len(p.Entry.Header) > MaxHeader {
			return fmt.Errorf("%w: header has %d bytes, limit %d", ErrFormat, len(p.Entry.Header), MaxHeader)
		}
		if p.Payload == SumBytes(nil) {
			return fmt.Errorf("%w: message %d never had a payload", ErrFormat, p.Position)
		}
		return checkSignatures(p.Entry.Kind, p.Entry.Signatures)
	}
	if err := p.Entry.check(); err != nil {
		return err
	}
	if SumBytes(p.Entry.Payload) != p.Payload {
		return fmt.Errorf("%w: payload of entry %d does not match its hash", ErrFormat, p.Position)
	}
	return nil
}
