package policy

import (
	"context"
	"testing"
	"time"
)

const now int64 = 1_800_000_000

func ptr[T any](value T) *T { return &value }

// load gives the default bundle, with a deadline that a busy machine can keep.
func load(t testing.TB) *Engine {
	t.Helper()
	e, err := Load(context.Background(), Default(), Config{Deadline: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// person is ann, who has an account and the extra roles.
func person(roles ...string) Subject {
	return Subject{ID: "u_ann", Kind: KindUser, State: "active", Roles: append([]string{RoleMember}, roles...)}
}

func service(kind Kind) Subject { return Subject{ID: "s_" + string(kind), Kind: kind, State: "active"} }

func signedIn() Context {
	return Context{
		Time:      ptr(now),
		Transport: "http",
		Device:    &Device{ID: "d_1", State: "approved"},
		Session:   &Session{ID: "ss_1", AuthAt: ptr(now - 60), ExpiresAt: ptr(now + 3600)},
	}
}

// ask puts a question in full circumstances about a resource in full health:
// a recorded, acknowledged private channel, not held, approved by bob.
func ask(action Action, who Subject, edits ...func(*Question)) Question {
	spec, _ := action.Spec()
	q := Question{Action: action, Subject: who, Context: signedIn(), Resource: Resource{
		Type: spec.Resource, ID: "r_1", State: "active", Privacy: "private", Holds: ptr[int64](0),
		RequestedBy: "u_cy", Approvals: []Approval{{By: "u_bob", Role: RoleLegal}},
		Recorders: []string{"s_recorder"},
		Crypto:    &Crypto{Capture: "required", Epoch: ptr[int64](3), RecorderAcked: ptr(true)},
	}}
	for _, edit := range edits {
		edit(&q)
	}
	return q
}

func owned(q *Question)     { q.Resource.Owner = q.Subject.ID }
func ofBob(q *Question)     { q.Resource.Owner = "u_bob" }
func departing(q *Question) { q.Resource.MemberState = "disabled" }
func addressed(q *Question) { q.Resource.Auditors = []string{"u_ann"} }
func archived(q *Question)  { q.Resource.State = "archived" }
func disabled(q *Question)  { q.Subject.State = "disabled" }
func unacked(q *Question)   { q.Resource.Crypto.RecorderAcked = ptr(false) }
func held(q *Question)      { q.Resource.Holds = ptr[int64](1) }
func requested(q *Question) { q.Resource.RequestedBy = q.Subject.ID }
func pending(q *Question)   { q.Context.Device.State = "pending" }
func captureOff(q *Question) {
	q.Resource.Crypto = &Crypto{Capture: "off", Epoch: ptr[int64](3)}
}

func as(role string) func(*Question)     { return func(q *Question) { q.Resource.MemberRole = role } }
func inTeam(role string) func(*Question) { return func(q *Question) { q.Resource.TeamRole = role } }
func privacy(p string) func(*Question)   { return func(q *Question) { q.Resource.Privacy = p } }

func approvedBy(approvals ...Approval) func(*Question) {
	return func(q *Question) { q.Resource.Approvals = approvals }
}
