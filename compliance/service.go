package compliance

import (
	"log/slog"
	"sync"
	"time"

	"chancery/core"
	"chancery/crypto/chain"
	"chancery/policy"
)

// Config is what the operations need.
type Config struct {
	Store     Store
	Gate      *core.Gate
	Directory chain.Directory // the organisation's and people's verified chains
	Exporting Exporting
	Now       func() time.Time
	Log       *slog.Logger // nil is slog.Default()
}

// Service is every operation on matters, holds and exports. Its zero value
// refuses all.
type Service struct {
	Config
	exporting sync.Mutex
	step      func(string) error // for tests: what a crash at a step would do
}

// How often tasks look for work.
const (
	tickEvery  = time.Minute
	closeEvery = time.Hour
)

// New makes a service. Register makes its tasks known to the queue.
func New(c Config) *Service {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Service{Config: c, step: func(string) error { return nil }}
}

// resource names what an operation is about, for policy.
func resource(t policy.ResourceType, id string) policy.Resource {
	return policy.Resource{Type: t, ID: id}
}

// orgResource is what lists are asked of.
func (s *Service) orgResource() policy.Resource {
	return resource(policy.OrgResource, OrgName(s.Directory))
}

// OrgName is the organisation's id, also before there is one, so that policy
// can be asked first.
func OrgName(dir chain.Directory) string {
	if dir != nil {
		if org := dir.Org(); org != nil {
			return org.ID().String()
		}
	}
	return "none"
}

func (s *Service) founded(op string) error { return Founded(op, s.Directory) }

// Founded fails while there is no organisation, or its chain can't be read.
func Founded(op string, dir chain.Directory) error {
	if dir == nil || dir.Org() == nil {
		return Refuse(op, core.NotFound, "org.none", "there is no organisation yet; an administrator starts it with \"chancery org init\"")
	}
	return nil
}
