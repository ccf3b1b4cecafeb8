package sign

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"chancery/crypto/p384"
)

// ErrDSSE reports an envelope that is malformed, not canonical, or carries no
// good signature of a trusted key.
var ErrDSSE = errors.New("document not signed by a trusted key")

// Document is a DSSE payload whose signatures were checked.
type Document struct {
	PayloadType string
	Payload     []byte
	Signers     []KeyID // trusted keys that signed, in ascending order
	Unknown     int     // signatures of other keys, not checked
}

// SignDSSE returns the one canonical envelope of payload with a signature of
// each signer: compact JSON with the members payloadType, payload and
// signatures in that order, standard base64, key ids in hexadecimal, signatures
// in ascending order of key id, no trailing newline.
func SignDSSE(payloadType string, payload []byte, signers ...Signer) ([]byte, error) {
	env := dsse.Envelope{PayloadType: payloadType, Payload: base64.StdEncoding.EncodeToString(payload)}
	message := dsse.PAE(payloadType, payload)
	for _, s := range signers {
		sig, err := s.Sign(message)
		if err != nil {
			return nil, fmt.Errorf("signing %s: %w", payloadType, err)
		}
		env.Signatures = append(env.Signatures, dsse.Signature{
			KeyID: IDOf(s.Public()).String(),
			Sig:   base64.StdEncoding.EncodeToString(sig),
		})
	}
	slices.SortFunc(env.Signatures, byKeyID)
	if err := checkEnvelope(&env); err != nil {
		return nil, fmt.Errorf("signing %s: %w", payloadType, err)
	}
	return json.Marshal(env)
}

// VerifyDSSE checks an envelope of SignDSSE. Every signature that names a
// trusted key must be good and at least one must be there; otherwise the error
// is ErrDSSE, wrapped. A reader who expects no strangers also demands
// Unknown == 0. Trusted Ed25519 keys must already be accepted as canonical points
// of prime order; see envelope.CheckPublicKey.
func VerifyDSSE(raw []byte, trusted ...[]byte) (*Document, error) {
	env, payload, err := parseEnvelope(raw)
	if err != nil {
		return nil, fmt.Errorf("verifying document: %w", err)
	}
	keys := make(map[string][]byte, len(trusted))
	for _, pub := range trusted {
		keys[IDOf(pub).String()] = pub
	}
	doc := &Document{PayloadType: env.PayloadType, Payload: payload}
	message := dsse.PAE(env.PayloadType, payload)
	for _, s := range env.Signatures {
		pub, ok := keys[s.KeyID]
		if !ok {
			doc.Unknown++
			continue
		}
		// parseEnvelope decoded it before.
		sig, _ := base64.StdEncoding.DecodeString(s.Sig)
		if !verify(pub, message, sig) {
			return nil, fmt.Errorf("verifying document: signature of key %s: %w", s.KeyID, ErrDSSE)
		}
		doc.Signers = append(doc.Signers, IDOf(pub))
	}
	if len(doc.Signers) == 0 {
		return nil, fmt.Errorf("verifying document: no trusted key signed: %w", ErrDSSE)
	}
	return doc, nil
}

// parseEnvelope reads an envelope in its canonical form only. The library's own
// verifier takes unknown members, two base64 alphabets and stray bits.
func parseEnvelope(raw []byte) (*dsse.Envelope, []byte, error) {
	var env dsse.Envelope
	if err := json.Unmarshal(raw, &env); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrDSSE, err)
	}
	canonical, err := json.Marshal(env)
	if err != nil || !bytes.Equal(canonical, raw) {
		return nil, nil, fmt.Errorf("not canonical: %w", ErrDSSE)
	}
	if err := checkEnvelope(&env); err != nil {
		return nil, nil, err
	}
	payload, err := base64.StdEncoding.Strict().DecodeString(env.Payload)
	if err != nil || base64.StdEncoding.EncodeToString(payload) != env.Payload {
		return nil, nil, fmt.Errorf("payload is not base64: %w", ErrDSSE)
	}
	return &env, payload, nil
}

func checkEnvelope(env *dsse.Envelope) error {
	if !validType(env.PayloadType) {
		return fmt.Errorf("payload type %q: %w", env.PayloadType, ErrDSSE)
	}
	if len(env.Signatures) == 0 {
		return fmt.Errorf("no signatures: %w", ErrDSSE)
	}
	last := ""
	for _, s := range env.Signatures {
		if !validKeyID(s.KeyID) || s.KeyID <= last {
			return fmt.Errorf("key ids are malformed, repeated or out of order: %w", ErrDSSE)
		}
		last = s.KeyID
		sig, err := base64.StdEncoding.Strict().DecodeString(s.Sig)
		if err != nil || (len(sig) != ed25519.SignatureSize && len(sig) != p384.SignatureSize) || base64.StdEncoding.EncodeToString(sig) != s.Sig {
			return fmt.Errorf("signature of key %s is malformed: %w", s.KeyID, ErrDSSE)
		}
	}
	return nil
}

func byKeyID(a, b dsse.Signature) int { return strings.Compare(a.KeyID, b.KeyID) }

func validKeyID(id string) bool {
	raw, err := hex.DecodeString(id)
	return err == nil && len(raw) == len(KeyID{}) && strings.ToLower(id) == id
}

// validType keeps to characters that every JSON writer leaves as they are, so
// that the canonical form does not depend on one writer's escaping.
func validType(t string) bool {
	return t != "" && strings.TrimLeft(t, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./+-_") == ""
}
