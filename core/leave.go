package core

import (
	"context"
	"fmt"
	"regexp"

	"chancery/compliance/record"
	"chancery/identity"
	"chancery/policy"
)

// Who found that an account must end.
const (
	byAdmin     = "admin"
	byDirectory = "directory"
)

// reasonText is what an administrator may say about why: short, for the record,
// which keeps no prose.
var reasonText = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$`)

// Disable ends an account's use at once: its sessions and sockets close, and
// its memberships end as far as the server may end them.
func (s *Service) Disable(ctx context.Context, p identity.Principal, username, reason string) error {
	const op = "user.disable"
	a, found, err := s.Store.AccountByName(ctx, username)
	if err != nil {
		return internal(op, err)
	}
	_, grant, e, err := s.Gate.Permit(ctx, p, policy.UserDisable, accountResource(a.ID))
	if err != nil {
		return err
	}
	if !found {
		return notFound(op, "that account")
	}
	if !reasonText.MatchString(reason) {
		return invalid(op, "reason", fmt.Errorf("want 1 to 64 letters, digits, spaces, dots, dashes or underscores"))
	}
	e.Detail = fmt.Sprintf(`{"by":%q,"reason":%q}`, byAdmin, reason)
	return s.disable(ctx, grant, e, a.ID, byAdmin)
}

func accountResource(id identity.UserID) policy.Resource {
	return policy.Resource{Type: policy.UserResource, ID: SubjectID(id), Owner: SubjectID(id)}
}

func (s *Service) disable(ctx context.Context, g policy.Grant, e Event, id identity.UserID, by string) error {
	ended, err := s.Store.DisableAccount(ctx, g, e.of(record.AccountDisable), id, by, s.Now())
	if err != nil {
		return internal("user.disable", err)
	}
	s.Publisher.EndSessions(ended)
	s.leaving.hurry()
	s.Log.InfoContext(ctx, "account disabled", "account", id, "by", by, "sessions", len(ended))
	return nil
}

// Enable lets somebody sign in again. Memberships that have ended stay ended:
// who may add them has to.
func (s *Service) Enable(ctx context.Context, p identity.Principal, username string) error {
	const op = "user.enable"
	a, found, err := s.Store.AccountByName(ctx, username)
	if err != nil {
		return internal(op, err)
	}
	_, grant, e, err := s.Gate.Permit(ctx, p, policy.UserEnable, accountResource(a.ID))
	switch {
	case err != nil:
		return err
	case !found:
		return notFound(op, "that account")
	case !a.Disabled:
		return conflict(op, "user.enabled", "that account is not disabled, or its user name is another's now")
	}
	if err := s.Store.EnableAccount(ctx, grant, e.of(record.AccountEnable), a.ID); err != nil {
		return internal(op, err)
	}
	return nil
}

// Present tells whether the caller's session still stands. What takes a while
// asks again before it hands out content: the answer to the request's token may
// be older than the end of the session.
func (s *Service) Present(ctx context.Context, p identity.Principal) error {
	stands, err := s.Store.SessionStands(ctx, p.Session)
	if err != nil {
		return unavailable("session", "the server can't look up sessions at the moment; try again", err)
	}
	if !stands {
		return sessionEnded("session.ended")
	}
	return nil
}

func sessionEnded(code string) error {
	return &Error{Op: "session", Kind: Unauthorized, Code: code, Public: "sign in first: there is no session, or it has ended"}
}
