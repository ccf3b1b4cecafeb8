package retention

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"chancery/compliance"
	"chancery/compliance/archive"
	"chancery/compliance/record"
	"chancery/core"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/sign/signer"
	"chancery/identity"
	"chancery/policy"
)

// RunPlan starts an approved plan. Run carries it out; the plan's state tells
// how far it is.
func (s *Service) RunPlan(ctx context.Context, p identity.Principal, id envelope.Hash) (wire.Plan, error) {
	const op = "retention.run"
	plan, g, e, err := s.load(ctx, p, policy.RetentionRun, id)
	if err != nil {
		return wire.Plan{}, err
	}
	if plan.State == Planned {
		return wire.Plan{}, compliance.Refuse(op, core.Denied, "plan.not_approved",
			"two people must sign the plan first: one for compliance (retention.plan), another as legal (retention.approve)")
	}
	if plan.State != Approved {
		return wire.Plan{}, compliance.Refuse(op, core.Conflict, "state.moved", fmt.Sprintf("the plan is %s", plan.State))
	}
	e.Op, e.Outcome = record.PlanRun, record.Intent
	err = s.Store.StartPlan(ctx, g, e, &plan, s.Now())
	if errors.Is(err, ErrChanged) {
		return wire.Plan{}, compliance.Refuse(op, core.Stale, "plan.outdated", "rules or holds have changed since the plan was made; make a new one")
	}
	if errors.Is(err, ErrLeaving) {
		return wire.Plan{}, compliance.Refuse(op, core.Unavailable, "plan.leaving", "an export of these messages is being written; run the plan once it has left")
	}
	if err != nil {
		return wire.Plan{}, compliance.Explain(op, err)
	}
	s.poke()
	return s.reread(ctx, op, id)
}

// poke has Run look at once.
func (s *Service) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run carries out what was started, also before a crash, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	ticker := time.NewTicker(s.Every)
	defer ticker.Stop()
	clock := time.NewTicker(beat)
	defer clock.Stop()
	for look := true; ; {
		if look {
			if err := s.Store.LookAtClock(ctx, s.Now()); err != nil && ctx.Err() == nil {
				s.Log.Error("looking at the clock failed; trying again later", "err", err)
			}
		}
		look = false
		if err := s.Resume(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("carrying out disposals failed; trying again", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-ticker.C:
		case <-clock.C:
			look = true
		}
	}
}

// Resume does once what Run does all the time: it goes on with running plans
// and certifies those that every recorder has confirmed.
func (s *Service) Resume(ctx context.Context) error {
	var failed []error
	for _, stage := range []struct {
		state wire.State
		do    func(context.Context, *Plan) error
	}{{Running, s.dispose}, {Pending, s.certify}} {
		plans, err := s.Store.Plans(ctx, stage.state)
		if err != nil {
			return err
		}
		for i := range slices.Backward(plans) { // oldest first
			if err := stage.do(ctx, &plans[i]); err != nil {
				failed = append(failed, fmt.Errorf("plan %s: %w", plans[i].ID, err))
			}
		}
	}
	return errors.Join(failed...)
}

// runner is whom policy sees when the server goes on with what people ordered.
var runner = core.Job("retention")

// dispose carries out a running plan, batch by batch.
func (s *Service) dispose(ctx context.Context, p *Plan) error {
	for {
		b, err := s.Store.NextBatch(ctx, p, s.Batch)
		if err != nil {
			return err
		}
		if b.Messages == 0 {
			break
		}
		err = s.batch(ctx, p, b)
		if errors.Is(err, ErrChanged) || core.KindOf(err) == core.Denied {
			return s.stop(ctx, p, err)
		}
		if err != nil {
			return err
		}
	}
	if err := s.removeFiles(ctx, p); err != nil {
		return err
	}
	g, e, err := s.permitJob(ctx, "retention.finish")
	if err != nil {
		return err
	}
	e.Op, e.Outcome, e.Object = record.PlanRun, record.Done, "plan:"+p.ID.String()
	if err := s.Store.FinishPlan(ctx, g, e, p.ID, s.Now()); err != nil {
		return err
	}
	return s.step("finished")
}

// batch punctures the leaves first: from then on nobody can read the messages,
// whatever copies of the database there are. Then their payloads go. The intent
// is on record before, since no transaction holds the vault.
func (s *Service) batch(ctx context.Context, p *Plan, b Batch) error {
	r, err := s.planResource(ctx, p, p.ID)
	if err != nil {
		return err
	}
	_, g, e, err := s.Gate.Permit(ctx, runner, policy.RetentionRun, r)
	if err != nil {
		return err
	}
	detail, err := record.JSON(map[string]any{"messages": b.Messages})
	if err != nil {
		return err
	}
	e.Op, e.Outcome, e.Detail = record.PlanRun, record.Intent, string(detail)
	if err := s.Store.Record(ctx, e); err != nil {
		return err
	}
	if err := s.step("intended"); err != nil {
		return err
	}
	e.Outcome = record.Done
	err = s.Store.Dispose(ctx, g, e, p, b, func() error {
		if err := s.Vault.Puncture(ctx, b.Leaves); err != nil {
			return err
		}
		return s.step("punctured")
	})
	if err != nil {
		return err
	}
	return s.step("dropped")
}

// stop ends a run that may not go on. What is gone is gone, and the plan says so.
func (s *Service) stop(ctx context.Context, p *Plan, cause error) error {
	now, _, err := s.Store.Plan(ctx, p.ID)
	if err != nil {
		return err
	}
	g, e, err := s.permitJob(ctx, "retention.stop")
	if err != nil {
		return err
	}
	why := fmt.Sprintf("%v; %d of %d messages had gone before", cause, now.Disposed, Messages(&p.Order))
	if denied, ok := errors.AsType[*core.Error](cause); ok {
		why = fmt.Sprintf("%s (%s); %d of %d messages had gone before", denied.Public, denied.Code, now.Disposed, Messages(&p.Order))
	}
	e.Op, e.Outcome, e.Object = record.PlanStop, record.Failed, "plan:"+p.ID.String()
	return s.Store.StopPlan(ctx, g, e, p.ID, why)
}

func (s *Service) permitJob(ctx context.Context, job string) (policy.Grant, core.Event, error) {
	_, g, e, err := s.Gate.Permit(ctx, runner, policy.JobRun, policy.Resource{Type: policy.JobResource, ID: job})
	return g, e, err
}

// removeFiles removes the sealed files of messages that have gone.
func (s *Service) removeFiles(ctx context.Context, p *Plan) error {
	files, err := s.Store.Files(ctx, p)
	if err != nil {
		return err
	}
	for _, id := range files {
		if err := s.Blobs.Remove(ctx, id); err != nil {
			return fmt.Errorf("removing file %s: %w", id, err)
		}
	}
	return nil
}

// backup is what a certificate says about backups.
const backup = "Backups of the database made before this disposal hold the ciphertext, and the salts sealed under leaves of the vault's " +
	"key trees. Those leaves were destroyed in every current copy of the vault, and no backup of the database holds them, so " +
	"no backup of any day makes these messages readable."

// certify signs off a plan that every recorder of its channels has confirmed.
func (s *Service) certify(ctx context.Context, p *Plan) error {
	recorders, err := s.Store.Recorders(ctx, p)
	if err != nil {
		return err
	}
	for _, k := range recorders {
		if !slices.ContainsFunc(p.Confirmations, func(c Confirmation) bool { return c.Recorder == k }) {
			return nil
		}
	}
	g, e, err := s.permitJob(ctx, "retention.certify")
	if err != nil {
		return err
	}
	signed, err := s.certificate(ctx, p)
	if err != nil {
		return err
	}
	if err := s.step("signed"); err != nil {
		return err
	}
	e.Op, e.Object = record.PlanCertify, "plan:"+p.ID.String()
	return s.Store.Certify(ctx, g, e, p.ID, signed, s.Now())
}

func (s *Service) certificate(ctx context.Context, p *Plan) ([]byte, error) {
	w := p.Wire()
	cert, err := archive.NewCertificate(p.Order.Org, &archive.Disposal{
		Approvals: w.Approvals, Backup: backup, Confirmations: w.Confirmations, Destroyed: w.Messages,
		// Not the clock: the signer signs one statement about a plan, and after a
		// crash it is asked again.
		Order: p.Bytes, Time: p.Finished.UnixMicro(),
	})
	if err != nil {
		return nil, err
	}
	if cert.Evidence, err = s.evidence(ctx, p); err != nil {
		return nil, err
	}
	return s.Signer.SignCertificate(ctx, *cert)
}

// evidence is what the signer judges a certificate by, since it does not take
// the server's word: who approved, who had to confirm, and under which root.
func (s *Service) evidence(ctx context.Context, p *Plan) (e signer.Evidence, err error) {
	if e.Org, err = s.Store.OrgLinks(ctx); err != nil {
		return e, err
	}
	people := map[envelope.UserID]bool{}
	for _, c := range p.Consents {
		people[c.Person] = true
	}
	var channels []envelope.ChannelID
	for _, r := range p.Order.Ranges {
		channels = append(channels, r.Channel)
	}
	if e.Channels, err = s.Store.Recording(ctx, slices.Compact(channels)); err != nil {
		return e, err
	}
	for _, raw := range e.Channels {
		for _, who := range handedOverBy(raw) {
			people[who] = true
		}
	}
	for _, who := range slices.SortedFunc(maps.Keys(people), envelope.CompareUser) {
		links, err := s.Store.UserLinks(ctx, who)
		if err != nil {
			return e, err
		}
		e.Users = append(e.Users, links)
	}
	return e, nil
}

// handedOverBy are the two people behind a handover, none of any other link.
func handedOverBy(raw []byte) []envelope.UserID {
	entry, err := envelope.ParseEntry(raw)
	if err != nil {
		return nil
	}
	l, err := envelope.ParseLink(entry)
	if err != nil || l.Type != envelope.Handover || l.User.IsZero() {
		return nil
	}
	b, err := envelope.ParseBody[envelope.HandoverBody](l)
	if err != nil {
		return nil
	}
	asked, err := b.AskedBy()
	if err != nil {
		return nil
	}
	return []envelope.UserID{asked.User, l.User}
}

// Certificate gives a plan's certificate.
func (s *Service) Certificate(ctx context.Context, p identity.Principal, id envelope.Hash) ([]byte, error) {
	const op = "retention.certificate_read"
	r := policy.Resource{Type: policy.CertificateResource, ID: id.String()}
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.RetentionCertificateRead, r); err != nil {
		return nil, err
	}
	plan, _, err := s.Store.Plan(ctx, id)
	if err == nil && plan.Certificate == nil {
		return nil, compliance.Missing(op, "that certificate")
	}
	return plan.Certificate, compliance.Explain(op, err)
}
