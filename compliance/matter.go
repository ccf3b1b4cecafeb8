package compliance

import (
	"context"
	"errors"
	"regexp"
	"time"

	"chancery/compliance/record"
	"chancery/core"
	"chancery/core/wire"
	"chancery/identity"
	"chancery/policy"
)

// Matter is a case that holds belong to.
type Matter struct {
	wire.Matter
	By      identity.UserID
	Created time.Time
}

var name = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// errName is told of ids that people choose.
var errName = errors.New("up to 63 lower-case letters, digits and hyphens, starting with a letter or digit")

// CreateMatter opens a case.
func (s *Service) CreateMatter(ctx context.Context, p identity.Principal, m wire.Matter) (wire.Matter, error) {
	const op = "matter.create"
	id := m.ID
	if id == "" {
		id = "none"
	}
	_, g, e, err := s.Gate.Permit(ctx, p, policy.MatterCreate, resource(policy.MatterResource, id))
	if err != nil {
		return wire.Matter{}, err
	}
	switch {
	case !name.MatchString(m.ID):
		return wire.Matter{}, Malformed(op, "id", errName)
	case m.Title == "" || len(m.Title) > 200:
		return wire.Matter{}, Malformed(op, "title", errors.New("1 to 200 bytes"))
	}
	m.Closed = false
	e.Op = record.MatterCreate
	err = s.Store.CreateMatter(ctx, g, e, Matter{Matter: m, By: p.User, Created: s.Now()})
	if errors.Is(err, ErrMoved) {
		return wire.Matter{}, Refuse(op, core.Conflict, "matter.exists", "there is a matter with this id")
	}
	return m, Explain(op, err)
}

// Matters lists all cases.
func (s *Service) Matters(ctx context.Context, p identity.Principal) (wire.Matters, error) {
	const op = "matter.list"
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.MatterList, s.orgResource()); err != nil {
		return wire.Matters{}, err
	}
	list, err := s.Store.Matters(ctx)
	return wire.Matters{Matters: list}, Explain(op, err)
}
