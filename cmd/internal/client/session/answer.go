package session

import (
	"context"
	"errors"
	"fmt"

	"chancery/cmd/internal/client"
	"chancery/crypto/envelope"
)

var (
	// ErrAnswer: the server's signed answer is not about what was asked.
	ErrAnswer = errors.New("server's answer does not verify")
	// ErrTwoAnswers: the server placed what it had refused for good, and signed
	// both.
	ErrTwoAnswers = errors.New("server placed a message that it had refused for good")
)

// Refused is a verified final refusal: this entry will never be placed.
type Refused struct {
	Code   string // the chain's reason or policy's rule
	Detail string // the server's words
}

func (r *Refused) Error() string {
	if r.Detail != "" {
		return r.Detail
	}
	return "refused: " + r.Code
}

// receipt verifies that the server promised to keep e, and for which position.
func (c *Channel) receipt(ctx context.Context, raw []byte, e *envelope.Entry, device envelope.KeyID, seq uint64) (*envelope.Receipt, error) {
	r, err := signedByServer[envelope.Receipt](ctx, c.s.Dir, raw, envelope.LabelReceipt)
	if err != nil {
		return nil, err
	}
	same := r.Version == envelope.Version && r.Org == c.s.Dir.Org().ID() && r.Channel == c.id && r.Entry == e.Hash()
	if !same || r.Position == 0 || r.DeviceSeq != seq || (seq > 0 && r.Device != device) {
		return nil, fmt.Errorf("%w: receipt of another entry", ErrAnswer)
	}
	return r, nil
}

// refusal verifies that the server gave the entry's number up for good.
func (c *Channel) refusal(ctx context.Context, p *client.Problem, e *envelope.Entry, seq uint64) (*Refused, error) {
	r, err := signedByServer[envelope.Refusal](ctx, c.s.Dir, p.Refusal, envelope.LabelRefusal)
	if err != nil {
		return nil, err
	}
	same := r.Version == envelope.Version && r.Org == c.s.Dir.Org().ID() && r.Channel == c.id && r.Entry == e.Hash()
	if !same || r.Device != c.s.device.ID() || r.DeviceSeq != seq {
		return nil, fmt.Errorf("%w: refusal of another entry", ErrAnswer)
	}
	return &Refused{Code: r.Code, Detail: p.Detail}, nil
}

// signedByServer opens a statement by a receipt key that the organisation
// lists. A key that is not known may have been listed since.
func signedByServer[T any](ctx context.Context, d *Directory, raw []byte, label string) (*T, error) {
	s, err := envelope.ParseSigned(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	party, ok := d.Org().Party(envelope.RoleReceipt, s.Signature.Key)
	if !ok {
		if err := d.RefreshOrg(ctx); err != nil {
			return nil, err
		}
		if party, ok = d.Org().Party(envelope.RoleReceipt, s.Signature.Key); !ok {
			return nil, fmt.Errorf("%w: %s by a key that the organisation does not list", ErrAnswer, label)
		}
	}
	v, err := envelope.OpenStatement[T](raw, label, party.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return v, nil
}
