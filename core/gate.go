package core

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"chancery/compliance/record"
	"chancery/identity"
	"chancery/policy"
)

// Gate is the only place that asks policy. Its zero value refuses everything.
type Gate struct {
	engine *policy.Engine
	denied func(context.Context, Event) error // keeps a denial, in a transaction of its own
	now    func() time.Time
}

// NewGate asks engine and keeps denials through denied.
func NewGate(engine *policy.Engine, denied func(context.Context, Event) error, now func() time.Time) *Gate {
	return &Gate{engine: engine, denied: denied, now: now}
}

// Permit asks whether p may do action on the resource. The event it returns
// names the decision; the caller completes it and gives it to the store along
// with the grant.
func (g *Gate) Permit(ctx context.Context, p identity.Principal, action policy.Action, r policy.Resource) (policy.Decision, policy.Grant, Event, error) {
	return g.permitAs(ctx, p, subject(p), action, r)
}

// permitAs is Permit for a subject that is not yet a principal: someone who
// signs in.
func (g *Gate) permitAs(ctx context.Context, p identity.Principal, who policy.Subject, action policy.Action, r policy.Resource) (policy.Decision, policy.Grant, Event, error) {
	if g == nil || g.engine == nil {
		return policy.Decision{}, policy.Grant{}, Event{}, refused(string(action), policy.Decision{})
	}
	d, grant, err := g.engine.Decide(ctx, policy.Question{Action: action, Subject: who, Resource: r, Context: g.circumstances(p)})
	e := Event{
		Outcome: record.OK, At: g.now().UnixMicro(), Actor: p.User, Service: p.Service, Device: p.Device,
		Object: string(r.Type) + ":" + r.ID, Decision: d.ID, Policy: d.Generation,
	}
	if err == nil && d.Allow {
		noteAnswer(ctx, true)
		return d, grant, e, nil
	}
	noteAnswer(ctx, false)
	e.Op, e.Outcome, e.Detail = record.PolicyDeny, record.Denied, denialDetail(action, d)
	if kept := g.denied(ctx, e); kept != nil {
		return d, policy.Grant{}, e, unavailable(string(action), "the refusal could not be recorded, so nothing was decided", kept)
	}
	if err != nil {
		return d, policy.Grant{}, e, &Error{Op: string(action), Kind: Unavailable, Code: policy.PolicyError, Public: "the policy could not be evaluated; nothing was changed", Err: err}
	}
	return d, policy.Grant{}, e, refused(string(action), d)
}

// Hide turns a denial into "not found" for those who may not even see the
// thing, so that a stranger can't tell what exists.
func Hide(err error, op, what string) error {
	if KindOf(err) == Denied {
		return notFound(op, what)
	}
	return err
}

func refused(op string, d policy.Decision) error {
	why := d.Denial()
	text := why.UserText
	if text == "" {
		text = "policy does not allow " + op
	}
	return &Error{Op: op, Kind: Denied, Code: why.Code, Public: text}
}

func denialDetail(action policy.Action, d policy.Decision) string {
	return fmt.Sprintf(`{"action":%q,"code":%q}`, action, d.Denial().Code)
}

// SubjectID is how policy names an account.
func SubjectID(u identity.UserID) string { return strconv.FormatInt(int64(u), 10) }

func subject(p identity.Principal) policy.Subject {
	switch p.Kind {
	case identity.Recorder, identity.Signer:
		return policy.Subject{ID: hex.EncodeToString(p.Service[:]), Kind: policy.Kind(p.Kind), State: "active"}
	case identity.Service:
		return policy.Subject{ID: p.Name, Kind: policy.KindJob, State: "active"}
	case identity.Person:
		return policy.Subject{ID: SubjectID(p.User), Kind: policy.KindUser, State: "active", Roles: p.Roles}
	}
	return policy.Subject{Kind: policy.KindAnonymous}
}

func (g *Gate) circumstances(p identity.Principal) policy.Context {
	now := g.now().Unix()
	c := policy.Context{Time: &now, Transport: "http"}
	if p.HasDevice() {
		c.Device = &policy.Device{ID: hex.EncodeToString(p.Device[:]), State: "approved"}
	}
	if p.Session != 0 {
		auth, expires := p.AuthTime.Unix(), p.Expires.Unix()
		c.Session = &policy.Session{ID: strconv.FormatInt(int64(p.Session), 10), AuthAt: &auth, ExpiresAt: &expires}
	}
	return c
}

// Job is the principal of the server's own durable jobs.
func Job(name string) identity.Principal {
	return identity.Principal{Kind: identity.Service, Name: name}
}
