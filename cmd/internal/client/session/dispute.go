package session

import (
	"context"
	"fmt"
	"slices"

	"chancery/cmd/internal/client"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// Limits of the evidence beside a dispute. What does not fit stays out, and the
// auditor takes it from an archive.
const (
	maxEvidence = 6 << 20 // bytes of entries
	maxItems    = 4096
)

// dispute delivers the signed dispute about each wrong coverage, once.
func (c *Channel) dispute(ctx context.Context) error {
	for _, f := range c.cover.faults {
		if f.disputed {
			continue
		}
		sealed, err := c.evidence(ctx, f)
		if err != nil {
			c.attention(fmt.Sprintf("the dispute about coverage %d goes without evidence: %v", f.at.Position, err))
		}
		d := &envelope.Dispute{Coverage: f.at, Recorder: f.said.Recorder, Position: f.position}
		if len(sealed) > 0 {
			d.Evidence = envelope.SumBytes(sealed)
		}
		if err := c.tell(ctx, envelope.LabelDispute, d, sealed); err != nil {
			return fmt.Errorf("delivering the dispute about coverage %d: %w", f.at.Position, err)
		}
		f.disputed = true
	}
	return nil
}

// evidence seals what shows the fault to the auditors whom the organisation
// lists for this channel, so that the server reads nothing of it.
func (c *Channel) evidence(ctx context.Context, f *fault) ([]byte, error) {
	if err := c.s.Dir.RefreshOrg(ctx); err != nil {
		return nil, err
	}
	org := c.s.Dir.Org()
	var auditors [][]byte
	for _, p := range org.Parties(envelope.RoleAuditor) {
		if p.Covers(c.id) && (p.NotAfter == 0 || p.NotAfter > c.s.Now().UnixMicro()) {
			auditors = append(auditors, p.Recipient)
		}
	}
	if len(auditors) == 0 {
		return nil, fmt.Errorf("the organisation lists no auditor of this channel")
	}
	e, err := c.gather(ctx, f)
	if err != nil {
		return nil, err
	}
	return seal.SealEvidence(org.Suite(), org.ID(), f.at.Hash, auditors, e)
}

// gather fetches the disputed part of the channel again. It was verified when it
// came; whoever judges verifies it by the head that the recorder signed.
func (c *Channel) gather(ctx context.Context, f *fault) (*seal.Evidence, error) {
	first := f.said.From
	if f.position > 0 {
		first = f.position
	}
	if f.said.To-first >= maxItems {
		return nil, fmt.Errorf("%d entries, limit %d", f.said.To-first+1, maxItems)
	}
	e, size := &seal.Evidence{Coverage: envelope.Marshal(&f.entry), Before: chain.StartHead(c.id)}, 0
	for at := max(first, 2) - 2; at < f.said.To; {
		answer, err := c.s.API.Entries(ctx, c.id, client.Page{After: at, Limit: page})
		if err != nil {
			return nil, err
		}
		if len(answer.Entries) == 0 {
			return nil, fmt.Errorf("%w: it ends at %d", ErrRollback, at)
		}
		for _, raw := range answer.Entries {
			p, err := envelope.ParsePlaced(raw)
			if err != nil {
				return nil, err
			}
			if at = p.Position; at > f.said.To {
				break
			}
			if at < first {
				e.Before = p.Head
				continue
			}
			size += len(raw)
			e.Items = append(e.Items, f.item(p, size <= maxEvidence))
		}
	}
	return e, nil
}

func (f *fault) item(p *envelope.Placed, fits bool) seal.EvidenceItem {
	x := seal.EvidenceItem{Received: p.Received, Hash: p.Hash(), Secret: f.secrets[p.Position]}
	if fits && !p.Disposed() && (f.position == 0 || f.position == p.Position) {
		x.Entry = envelope.Marshal(&p.Entry)
	}
	return x
}

// ruling is one person's finding, verified, in a role that counts.
type ruling struct {
	user     envelope.UserID
	role     envelope.Role
	coverage envelope.Ref
	fault    envelope.Fault
}

// settle ends the stop for each fault that two people have ruled on.
func (c *Channel) settleFaults() {
	c.cover.faults = slices.DeleteFunc(c.cover.faults, func(f *fault) bool {
		finding, ok := c.words.ruled(f.at)
		if ok {
			c.attention(fmt.Sprintf("two people ruled on coverage %d: the %s was wrong; this channel goes on", f.at.Position, finding))
		}
		return ok
	})
	c.unveil()
}

// ruled finds two different people in the two roles who found the same.
func (w *words) ruled(coverage envelope.Ref) (envelope.Fault, bool) {
	for _, x := range w.rulings {
		for _, y := range w.rulings {
			if x.role == envelope.RoleCompliance && y.role == envelope.RoleLegal && x.user != y.user &&
				x.coverage == coverage && y.coverage == coverage && x.fault == y.fault {
				return x.fault, true
			}
		}
	}
	return "", false
}

// Rule signs this person's finding on the disputes about one coverage. It counts
// with that of a second person in the other role.
func (s *Session) Rule(ctx context.Context, id envelope.ChannelID, coverage envelope.Ref, fault envelope.Fault) error {
	statement, err := s.notice(id, envelope.LabelRuling, &envelope.Ruling{Coverage: coverage, Fault: fault})
	if err != nil {
		return err
	}
	return s.API.Tell(ctx, id, wire.NewNotice{Statement: statement})
}

// Disputes are those about a channel, also for those who are no members of it:
// signed by the devices that they name, whoever these belong to.
func (s *Session) Disputes(ctx context.Context, id envelope.ChannelID) ([]Word, error) {
	out := []Word{}
	for after := uint64(0); ; {
		answer, err := s.API.Notices(ctx, id, after)
		if err != nil {
			return nil, fmt.Errorf("fetching notices of channel %s: %w", id, err)
		}
		if len(answer.Notices) == 0 {
			return out, nil
		}
		for _, n := range answer.Notices {
			after = max(after, n.Number)
			w, err := s.disputeOf(ctx, id, n.Statement)
			if err == nil && w != nil {
				out = append(out, *w)
			} else if err != nil && !refusable(err) {
				return nil, err
			}
		}
	}
}

func (s *Session) disputeOf(ctx context.Context, id envelope.ChannelID, raw []byte) (*Word, error) {
	label, n, body, err := envelope.ParseNotice(raw)
	d, ok := body.(*envelope.Dispute)
	if err != nil || !ok {
		return nil, err
	}
	if n.Org != s.Dir.Org().ID() || n.Channel != id {
		return nil, fmt.Errorf("%w: of another channel", errWord)
	}
	key, err := s.deviceKey(ctx, n.User, n.Key)
	if err != nil {
		return nil, err
	}
	if _, _, err := envelope.OpenNotice(raw, label, key); err != nil {
		return nil, err
	}
	w := word(raw, label, n)
	w.Coverage, w.Text = d.Coverage, disputeText(d)
	return &w, nil
}
