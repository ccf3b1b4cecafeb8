package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// notice signs a word about a channel as this device.
func (s *Session) notice(id envelope.ChannelID, label string, body any) ([]byte, error) {
	return seal.SignStatement(label, &envelope.Notice{
		Version: envelope.Version, Org: s.Dir.Org().ID(), Channel: id, User: s.Me.Chain, Key: s.device.ID(),
		Body: envelope.Marshal(body), Time: s.Now().UnixMicro(),
	}, s.device)
}

func (c *Channel) tell(ctx context.Context, label string, body any, evidence []byte) error {
	statement, err := c.s.notice(c.id, label, body)
	if err != nil {
		return err
	}
	return c.s.API.Tell(ctx, c.id, wire.NewNotice{Statement: statement, Evidence: evidence})
}

// Word is a verified notice of somebody else about a channel.
type Word struct {
	Label    string          `json:"label"` // alarm, dispute or ruling
	ID       envelope.Hash   `json:"id"`
	User     envelope.UserID `json:"user,omitzero"` // who says so; zero: a recorder
	Key      envelope.KeyID  `json:"key"`
	Time     time.Time       `json:"time"` // by the signer's clock
	Text     string          `json:"text"`
	Coverage envelope.Ref    `json:"coverage,omitzero"` // of a dispute or ruling

	Statement []byte `json:"-"` // as it was signed
}

// words are what this device has heard beside a channel.
type words struct {
	heard   uint64 // the newest number
	all     []Word
	rulings []ruling
}

// hear fetches what was said since. What does not verify counts for nothing.
func (c *Channel) hear(ctx context.Context) error {
	for {
		answer, err := c.s.API.Notices(ctx, c.id, c.words.heard)
		if err != nil {
			return fmt.Errorf("fetching notices of channel %s: %w", c.id, err)
		}
		for _, n := range answer.Notices {
			if err := c.listenTo(ctx, n.Statement); err != nil && (ctx.Err() != nil || !refusable(err)) {
				return err
			}
			c.words.heard = max(c.words.heard, n.Number)
		}
		if len(answer.Notices) == 0 {
			c.settleFaults()
			return nil
		}
	}
}

// errWord: a notice that counts for nothing.
var errWord = errors.New("notice does not verify")

func refusable(err error) bool {
	return errors.Is(err, errWord) || errors.Is(err, envelope.ErrFormat) || errors.Is(err, envelope.ErrSignature)
}

func (c *Channel) listenTo(ctx context.Context, raw []byte) error {
	label, n, body, err := envelope.ParseNotice(raw)
	if err != nil {
		return err
	}
	if n.Org != c.s.Dir.Org().ID() || n.Channel != c.id {
		return fmt.Errorf("%w: of another channel", errWord)
	}
	public, err := c.signerOf(ctx, n)
	if err != nil {
		return err
	}
	if _, _, err := envelope.OpenNotice(raw, label, public); err != nil {
		return err
	}
	if label == envelope.LabelRuling || n.User.IsZero() {
		if err := c.s.Dir.RefreshOrg(ctx); err != nil {
			return err
		}
	}
	return c.note(word(raw, label, n), body)
}

// signerOf finds the key of a device or of a recorder that records the channel or
// did.
func (c *Channel) signerOf(ctx context.Context, n *envelope.Notice) ([]byte, error) {
	if n.User.IsZero() {
		if p, ok := c.s.Dir.Org().Party(envelope.RoleRecorder, n.Key); ok && slices.ContainsFunc(c.chain.Duties(), func(d chain.Duty) bool { return d.Recorder == n.Key }) {
			return p.Key, nil
		}
		return nil, fmt.Errorf("%w: %s is no recorder of this channel", errWord, n.Key)
	}
	return c.s.deviceKey(ctx, n.User, n.Key)
}

// deviceKey finds the public key of a person's device.
func (s *Session) deviceKey(ctx context.Context, user envelope.UserID, key envelope.KeyID) ([]byte, error) {
	u, err := s.Dir.Load(ctx, user, 0)
	if err != nil {
		return nil, err
	}
	if d, ok := u.DeviceAt(key, u.Seq()); ok {
		return d.Key, nil
	}
	if u, err = s.Dir.RefreshUser(ctx, user); err != nil {
		return nil, err
	}
	if d, ok := u.DeviceAt(key, u.Seq()); ok {
		return d.Key, nil
	}
	return nil, fmt.Errorf("%w: user %s has no device %s", errWord, user, key)
}

func word(raw []byte, label string, n *envelope.Notice) Word {
	return Word{Label: label, ID: envelope.SumBytes(raw), User: n.User, Key: n.Key, Time: time.UnixMicro(n.Time).UTC(), Statement: raw}
}

// note keeps a verified word by somebody whose word counts.
func (c *Channel) note(w Word, body any) error {
	if _, member := c.chain.Member(w.User); !member && !w.User.IsZero() && w.Label != envelope.LabelRuling {
		return fmt.Errorf("%w: %s is no member", errWord, w.User)
	}
	switch b := body.(type) {
	case *envelope.Alarm:
		w.Text = alarmText(b)
	case *envelope.Dispute:
		w.Coverage, w.Text = b.Coverage, disputeText(b)
	case *envelope.Ruling:
		if w.Coverage = b.Coverage; !c.rule(w.User, b) {
			return fmt.Errorf("%w: %s is listed neither for compliance nor legal", errWord, w.User)
		}
		w.Text = fmt.Sprintf("finds that the %s was wrong about coverage %d", b.Fault, b.Coverage.Position)
	default:
		return nil
	}
	c.words.all = append(c.words.all, w)
	if w.Key != c.s.device.ID() {
		c.attention(fmt.Sprintf("%s of %s: %s", w.Label, w.Signer(), w.Text))
	}
	return nil
}

// Signer names who gave the word.
func (w *Word) Signer() string {
	if w.User.IsZero() {
		return "recorder " + w.Key.String()
	}
	return "user " + w.User.String()
}

// rule keeps a finding once for each role in which its signer is listed now.
func (c *Channel) rule(user envelope.UserID, b *envelope.Ruling) (counts bool) {
	party := envelope.Party{User: user}
	for _, role := range []envelope.Role{envelope.RoleCompliance, envelope.RoleLegal} {
		p, ok := c.s.Dir.Org().Party(role, party.ID())
		if ok && (p.NotAfter == 0 || p.NotAfter > c.s.Now().UnixMicro()) {
			c.words.rulings = append(c.words.rulings, ruling{user, role, b.Coverage, b.Fault})
			counts = true
		}
	}
	return counts
}

func disputeText(d *envelope.Dispute) string {
	if d.Position > 0 {
		return fmt.Sprintf("coverage %d excepts message %d, which opens", d.Coverage.Position, d.Position)
	}
	return fmt.Sprintf("coverage %d has another root than the messages give", d.Coverage.Position)
}

func alarmText(a *envelope.Alarm) string {
	switch a.Code {
	case envelope.AlarmUncovered:
		return fmt.Sprintf("message %d is not captured in time", a.Number)
	case envelope.AlarmDropped:
		return fmt.Sprintf("message number %d of device %s was confirmed and is not there: the server drops entries", a.Number, a.Device)
	case envelope.AlarmForked:
		return fmt.Sprintf("device %s was shown another history up to %d", a.Device, a.Number)
	}
	return fmt.Sprintf("device %s has written up to its number %d and says nothing of it", a.Device, a.Number)
}
