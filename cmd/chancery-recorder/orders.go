package main

import (
	"context"
	"slices"

	"chancery/cmd/internal/client"
	"chancery/compliance/recorder"
	"chancery/core/wire"
	"chancery/crypto/envelope"
)

// keeping are the states in which a hold keeps.
var keeping = []wire.State{"active", "release_requested", "cooling"}

// States in which a plan and an export wait for recorders. A plan that is still
// running may yet be stopped by a hold.
const (
	pending wire.State = "pending"
	cut     wire.State = "cut"
)

func (s server) Holds(ctx context.Context) ([]recorder.Hold, error) {
	list, err := call(ctx, s.session, func(t *client.Transport) (*wire.Holds, error) { return t.Holds(ctx) })
	if err != nil {
		return nil, err
	}
	out := make([]recorder.Hold, len(list.Holds))
	for i, h := range list.Holds {
		out[i] = recorder.Hold{
			Order:   recorder.Order{Bytes: h.Order, Approvals: h.Approvals},
			Release: recorder.Order{Bytes: h.Release, Approvals: h.Approvals},
			Active:  slices.Contains(keeping, h.State),
		}
	}
	return out, nil
}

func (s server) Rules(ctx context.Context) ([]recorder.Order, error) {
	list, err := call(ctx, s.session, func(t *client.Transport) (*wire.Rules, error) { return t.Rules(ctx) })
	if err != nil {
		return nil, err
	}
	out := make([]recorder.Order, len(list.Rules))
	for i, r := range list.Rules {
		out[i] = recorder.Order{Bytes: r.Order, Approvals: r.Approvals}
	}
	return out, nil
}

// Plans are those that wait and lack this recorder's confirmation.
func (s server) Plans(ctx context.Context) ([]recorder.Order, error) {
	list, err := call(ctx, s.session, func(t *client.Transport) (*wire.Plans, error) { return t.Plans(ctx, pending) })
	if err != nil {
		return nil, err
	}
	var out []recorder.Order
	for _, p := range list.Plans {
		if !slices.ContainsFunc(p.Confirmations, s.signed) {
			out = append(out, recorder.Order{Bytes: p.Order, Approvals: p.Approvals})
		}
	}
	return out, nil
}

// signed tells whether a statement claims to be this recorder's.
func (s server) signed(raw []byte) bool {
	statement, err := envelope.ParseSigned(raw)
	return err == nil && statement.Signature.Key == s.key.ID()
}

func (s server) Exports(ctx context.Context) ([]recorder.Export, error) {
	list, err := call(ctx, s.session, func(t *client.Transport) (*wire.Exports, error) { return t.Exports(ctx, cut) })
	if err != nil {
		return nil, err
	}
	var out []recorder.Export
	for _, e := range list.Exports {
		x := recorder.Export{ID: e.ID, Order: recorder.Order{Bytes: e.Order, Approvals: e.Approvals}}
		for _, part := range e.Channels {
			x.Ranges = append(x.Ranges, recorder.Range{Channel: part.Channel, From: part.From, To: part.To})
		}
		out = append(out, x)
	}
	return out, nil
}

func (s server) Confirm(ctx context.Context, plan envelope.Hash, statement []byte) error {
	_, err := call(ctx, s.session, func(t *client.Transport) (*wire.Plan, error) { return t.ConfirmPlan(ctx, plan, statement) })
	return err
}

func (s server) Deliver(ctx context.Context, export envelope.Hash, o *recorder.Openings) error {
	in := wire.Openings{Sealed: o.Sealed, Slip: o.Slip, KeyCommit: o.KeyCommit, Count: o.Count, Exceptions: o.Exceptions}
	_, err := call(ctx, s.session, func(t *client.Transport) (struct{}, error) {
		return struct{}{}, t.PutOpenings(ctx, export, in)
	})
	return err
}
