package recorder

import (
	"context"
	"errors"

	"chancery/crypto/envelope"
)

// JudgeOrders looks at what people have ordered: it learns holds and rules,
// disposes of what approved plans name, and adds openings to approved exports.
// Each refusal is reported; the error is of what kept it from looking.
func (r *Recorder) JudgeOrders(ctx context.Context) error {
	if err := r.people.refresh(ctx); err != nil {
		return err
	}
	return errors.Join(r.judgePlans(ctx), r.judgeExports(ctx))
}

// about says which order an alarm is about.
func about(object envelope.Hash, err error) error {
	if a, ok := errors.AsType[*Alarm](err); ok {
		a.Object = object
	}
	return err
}

// parsed turns a refusal of envelope.ParseOrder into an alarm.
func parsed[T any](order *T, err error) (*T, error) {
	if err != nil {
		return nil, alarm(OrderMalformed, "%w", err)
	}
	return order, nil
}

// owns checks that an order is of the pinned organisation.
func (r *Recorder) owns(org envelope.OrgID) error {
	if org != r.Org {
		return alarm(OrderMalformed, "order of organisation %s", org)
	}
	return nil
}
