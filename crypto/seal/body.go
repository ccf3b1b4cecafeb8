package seal

import (
	"fmt"

	"chancery/crypto/envelope"
)

// MaxText is the longest text of a message, in bytes of UTF-8.
const MaxText = 64 << 10

// encodeBody refuses what decodeBody would, so that no client can seal a
// message which others must except.
func encodeBody(b *envelope.Body, h *envelope.Header) ([]byte, error) {
	plain := envelope.Marshal(b)
	_, err := decodeBody(plain, h)
	return plain, err
}

// decodeBody decodes the plain bytes of a message whose header is h. CBOR's own
// rules refuse text that is not UTF-8.
func decodeBody(plain []byte, h *envelope.Header) (*envelope.Body, error) {
	var b envelope.Body
	if err := envelope.Unmarshal(plain, &b); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrBody, err)
	}
	if len(b.Text) > MaxText {
		return nil, fmt.Errorf("%w: text has %d bytes, limit %d", ErrBody, len(b.Text), MaxText)
	}
	if len(b.Files) != len(h.Attachments) {
		return nil, fmt.Errorf("%w: %d files for %d attachments", ErrBody, len(b.Files), len(h.Attachments))
	}
	for i, f := range b.Files {
		if len(f.Key) != 32 {
			return nil, fmt.Errorf("%w: key of file %d has %d bytes", ErrBody, i, len(f.Key))
		}
	}
	return &b, nil
}
