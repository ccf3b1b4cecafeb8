package retention

import (
	"context"
	"log/slog"
	"time"

	"chancery/compliance"
	"chancery/core"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/sign/signer"
	"chancery/identity"
	"chancery/policy"
)

// Vault destroys the leaves that salts are sealed under. When Puncture returns
// nil they are gone in every copy; the same call may be made again.
type Vault interface {
	Puncture(ctx context.Context, leaves map[envelope.ChannelID][]uint64) error
}

// Blobs removes sealed files. One that is not there is no error.
type Blobs interface {
	Remove(ctx context.Context, id envelope.BlobID) error
}

// Signer signs certificates; signer.Client is one.
type Signer interface {
	SignCertificate(ctx context.Context, c signer.Certificate) ([]byte, error)
}

// Config is what the operations need.
type Config struct {
	Store     Store
	Gate      *core.Gate
	Directory chain.Directory
	Vault     Vault
	Blobs     Blobs
	Signer    Signer
	Now       func() time.Time
	Batch     int           // messages in one batch of a run; 0 is 5,000
	Every     time.Duration // between looks at what is left to do; 0 is 5 seconds
	Log       *slog.Logger  // nil is slog.Default()
}

// Service is every operation on rules and plans. Its zero value refuses all.
type Service struct {
	Config
	wake chan struct{}
	step func(string) error // for tests: what a crash at a step would do
}

// New makes a service. Runs go on in Run.
func New(c Config) *Service {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Batch <= 0 {
		c.Batch = 5000
	}
	if c.Every <= 0 {
		c.Every = 5 * time.Second
	}
	return &Service{Config: c, wake: make(chan struct{}, 1), step: func(string) error { return nil }}
}

func (s *Service) orgResource() policy.Resource {
	return policy.Resource{Type: policy.OrgResource, ID: compliance.OrgName(s.Directory)}
}

// planResource is what policy must see of a plan.
func (s *Service) planResource(ctx context.Context, p *Plan, id envelope.Hash) (policy.Resource, error) {
	r := policy.Resource{
		Type: policy.PlanResource, ID: id.String(), State: string(p.State),
		RequestedBy: compliance.SubjectID(p.Requester), Approvals: compliance.PolicyApprovals(p.Requester, p.Consents), Recorders: []string{},
	}
	if p.ID.IsZero() {
		return r, nil
	}
	holds, err := s.Store.HoldsOn(ctx, p)
	if err != nil {
		return r, err
	}
	r.Holds = &holds
	recorders, err := s.Store.Recorders(ctx, p)
	for _, k := range recorders {
		r.Recorders = append(r.Recorders, k.String())
	}
	return r, err
}

// load finds a plan and asks policy about it. Whether it exists is told after.
func (s *Service) load(ctx context.Context, p identity.Principal, action policy.Action, id envelope.Hash) (Plan, policy.Grant, core.Event, error) {
	op := string(action)
	plan, found, err := s.Store.Plan(ctx, id)
	if err != nil {
		return plan, policy.Grant{}, core.Event{}, compliance.Explain(op, err)
	}
	r, err := s.planResource(ctx, &plan, id)
	if err != nil {
		return plan, policy.Grant{}, core.Event{}, compliance.Explain(op, err)
	}
	_, g, e, err := s.Gate.Permit(ctx, p, action, r)
	if err == nil && !found {
		err = compliance.Missing(op, "that plan")
	}
	return plan, g, e, err
}
