package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"chancery/cmd/internal/client"
	"chancery/cmd/internal/client/session"
	"chancery/core/wire"
	"chancery/crypto/envelope"
)

// The policy actions that a person's device signs consent to.
const (
	actHoldCreate         = "hold.create"
	actHoldApprove        = "hold.approve"
	actHoldRelease        = "hold.release_request"
	actHoldReleaseApprove = "hold.release_approve"
	actRuleSet            = "retention.rule_set"
	actPlan               = "retention.plan"
	actPlanApprove        = "retention.approve"
	actScheduleSet        = "export.schedule_set"
	actScheduleApprove    = "export.schedule_approve"
)

// sign makes a new order with this person's consent to it.
func sign(s *session.Session, action string, order any) (wire.Order, error) {
	b := envelope.Marshal(order)
	approval, err := s.Approve(action, envelope.OrderHash(b))
	return wire.Order{Order: b, Approval: approval}, err
}

// consent approves an order that the server has. What is signed is the hash of
// the bytes that were parsed and shown here, not an id that the server gave.
func consent(s *session.Session, action string, order []byte) (wire.Order, error) {
	approval, err := s.Approve(action, envelope.OrderHash(order))
	return wire.Order{Approval: approval}, err
}

// approvals tells who approved what, by approvals' own words: signatures are
// checked by the recorder, the signer and the auditor's tool.
func approvals(raw [][]byte) ([]envelope.Approval, error) {
	out := make([]envelope.Approval, 0, len(raw))
	for _, b := range raw {
		s, err := envelope.ParseSigned(b)
		if err != nil {
			return nil, err
		}
		var a envelope.Approval
		if err := envelope.Unmarshal(s.Bytes, &a); err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

func orderNonce() []byte {
	b := make([]byte, 16)
	rand.Read(b)
	return b
}

// findUsers finds several people, sorted as orders carry them.
func findUsers(ctx context.Context, api *client.Transport, names []string) ([]envelope.UserID, error) {
	ids := make([]envelope.UserID, 0, len(names))
	for _, n := range names {
		id, err := findUser(ctx, api, n)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	slices.SortFunc(ids, envelope.CompareUser)
	return slices.Compact(ids), nil
}

// instant reads a date, a time in RFC 3339, or nothing, as µs since 1970.
func instant(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UnixMicro(), nil
		}
	}
	return 0, &usageError{fmt.Errorf("%q is neither a date (2026-01-31) nor a time in RFC 3339", text)}
}

func when(us int64) string {
	if us == 0 {
		return "open"
	}
	return time.UnixMicro(us).UTC().Format(time.RFC3339)
}

// hashArg reads an id given as an argument.
func hashArg(text string) (envelope.Hash, error) {
	h, err := envelope.ID[envelope.Hash](text)
	if err != nil {
		return h, &usageError{err}
	}
	return h, nil
}

func short[T fmt.Stringer](ids []T) string {
	if len(ids) == 0 {
		return "all"
	}
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id.String()[:12]
	}
	return strings.Join(out, " ")
}
