package core

import (
	"context"
	"fmt"

	"chancery/compliance/record"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

// MaxEvidence is the most sealed evidence beside a dispute, in bytes.
const MaxEvidence = 8 << 20

// maxNotices is how many one page has at most.
const maxNotices = 500

// Tell keeps a signed word beside a channel, for those whom it is for. Nothing
// in the channel changes by it.
func (s *Service) Tell(ctx context.Context, p identity.Principal, id envelope.ChannelID, in wire.NewNotice) error {
	const op = "notice.tell"
	label, n, body, err := envelope.ParseNotice(in.Statement)
	if err != nil {
		return invalid(op, "statement", err)
	}
	action := policy.CaptureTell
	if label == envelope.LabelRuling {
		action = policy.CaptureRule
	}
	x, facts, err := s.roomFor(ctx, p, id)
	if err != nil {
		return internal(op, err)
	}
	_, grant, e, err := s.Gate.Permit(ctx, p, action, facts)
	if err != nil {
		return hideChannel(err, op, "that channel", facts)
	}
	if x == nil {
		return notFound(op, "that channel")
	}
	if err := s.checkNotice(p, id, n, label, in.Statement); err != nil {
		return err
	}
	if err := checkEvidence(body, in.Evidence); err != nil {
		return invalid(op, "evidence", err)
	}
	hash := envelope.SumBytes(in.Statement)
	e = e.of(record.Notice)
	e.Channel, e.Detail = x.row.Number, fmt.Sprintf(`{"label":%q,"notice":%q}`, label, hash)
	if label == envelope.LabelAlarm || label == envelope.LabelDispute {
		s.Log.WarnContext(ctx, "capture is in doubt", "label", label, "channel", id, "notice", hash, "signer", n.Key)
	}
	err = s.Store.AddNotice(ctx, grant, e, Notice{
		Channel: x.row.Number, Label: label, Signer: n.Key, About: about(body), Statement: in.Statement, Evidence: in.Evidence,
	})
	return internalOrNil(op, err)
}

func internalOrNil(op string, err error) error {
	if err == nil {
		return nil
	}
	return internal(op, err)
}

// checkNotice finds out that the session's own device, or recorder, signed it
// for this channel.
func (s *Service) checkNotice(p identity.Principal, id envelope.ChannelID, n *envelope.Notice, label string, raw []byte) error {
	const op = "notice.tell"
	org := s.dir.Org()
	if org == nil || n.Org != org.ID() || n.Channel != id {
		return invalid(op, "statement", fmt.Errorf("it is of another organisation or channel"))
	}
	public := s.noticeKey(p, n)
	if public == nil {
		return &Error{Op: op, Kind: Denied, Code: string(chain.BadSignature), Public: "the statement is signed by another device or key than this session's"}
	}
	if _, _, err := envelope.OpenNotice(raw, label, public); err != nil {
		return &Error{Op: op, Kind: Denied, Code: string(chain.BadSignature), Public: "the statement's signature does not verify", Err: err}
	}
	return nil
}

// noticeKey is the public key of who may have signed a notice in this session,
// nil when the notice names somebody else.
func (s *Service) noticeKey(p identity.Principal, n *envelope.Notice) []byte {
	if p.Kind == identity.Recorder {
		party, ok := s.dir.Org().Party(envelope.RoleRecorder, n.Key)
		if !ok || !n.User.IsZero() || n.Key != envelope.KeyID(p.Service) {
			return nil
		}
		return party.Key
	}
	if n.User != envelope.UserID(p.UserChain) || n.Key != envelope.KeyID(p.Device) {
		return nil
	}
	u, ok := s.dir.User(n.User)
	if !ok {
		return nil
	}
	device, ok := u.DeviceAt(n.Key, u.Seq())
	if !ok {
		return nil
	}
	return device.Key
}

// checkEvidence holds evidence against the dispute that names it.
func checkEvidence(body any, sealed []byte) error {
	want := envelope.Hash{}
	if d, ok := body.(*envelope.Dispute); ok {
		want = d.Evidence
	}
	switch {
	case want.IsZero() && len(sealed) > 0:
		return fmt.Errorf("nothing names it")
	case len(sealed) > MaxEvidence:
		return fmt.Errorf("%d bytes, limit %d", len(sealed), MaxEvidence)
	case !want.IsZero() && envelope.SumBytes(sealed) != want:
		return fmt.Errorf("not what the dispute names")
	}
	return nil
}

// about is what a notice speaks of: its signer says that once.
func about(body any) string {
	switch b := body.(type) {
	case *envelope.Tail:
		return fmt.Sprint(b.Seq)
	case *envelope.Alarm:
		return fmt.Sprintf("%s %s %d", b.Code, b.Device, b.Number)
	case *envelope.Dispute:
		return fmt.Sprintf("%d %d", b.Coverage.Position, b.Position)
	case *envelope.Ruling:
		return fmt.Sprint(b.Coverage.Position)
	}
	return ""
}

// Notices are the signed words beside a channel after a number, in the order of
// their arrival. What devices have written is for recorders only, of each the
// newest word.
func (s *Service) Notices(ctx context.Context, p identity.Principal, id envelope.ChannelID, after uint64) (wire.Notices, error) {
	x, _, err := s.permitRead(ctx, p, policy.CaptureHear, id)
	if err != nil {
		return wire.Notices{}, err
	}
	kept, err := s.Store.Notices(ctx, x.row.Number, after, p.Kind == identity.Recorder, maxNotices)
	if err != nil {
		return wire.Notices{}, internal("notice.list", err)
	}
	out := wire.Notices{Notices: make([]wire.Notice, len(kept))}
	for i, n := range kept {
		out.Notices[i] = wire.Notice{Number: n.Number, Statement: n.Statement}
	}
	return out, s.Present(ctx, p)
}

// Evidence is what lies sealed beside a dispute.
func (s *Service) Evidence(ctx context.Context, p identity.Principal, id envelope.ChannelID, notice envelope.Hash) (wire.Evidence, error) {
	const op = "notice.evidence"
	x, _, err := s.permitRead(ctx, p, policy.CaptureHear, id)
	if err != nil {
		return wire.Evidence{}, err
	}
	sealed, found, err := s.Store.Evidence(ctx, x.row.Number, notice)
	if err != nil {
		return wire.Evidence{}, internal(op, err)
	}
	if !found {
		return wire.Evidence{}, notFound(op, "evidence of that dispute")
	}
	return wire.Evidence{Notice: notice, Sealed: sealed}, s.Present(ctx, p)
}
