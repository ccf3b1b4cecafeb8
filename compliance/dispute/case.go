package dispute

import (
	"errors"
	"fmt"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// ErrCase reports a file that is not a dispute of the pinned organisation, or
// that nobody in it has signed.
var ErrCase = errors.New("dispute does not verify")

// Case is a dispute as a file, in JSON: all that an auditor needs.
type Case struct {
	Org       [][]byte `json:"org"`       // the organisation's chain
	User      [][]byte `json:"user"`      // the disputer's
	Statement []byte   `json:"statement"` // the signed dispute
	Evidence  []byte   `json:"evidence"`  // sealed to the auditors
}

// Verdict is what an auditor finds.
type Verdict struct {
	Channel  envelope.ChannelID `json:"channel"`
	Coverage envelope.Ref       `json:"coverage"`
	Recorder envelope.KeyID     `json:"recorder"`
	Name     string             `json:"recorder_name"` // as the organisation lists it
	Disputer envelope.UserID    `json:"disputer"`
	Device   envelope.KeyID     `json:"device"`
	Fault    envelope.Fault     `json:"fault"`
	Why      string             `json:"why"`
}

// Judge opens the evidence with an auditor's key and says who was wrong. ErrCase:
// the file is not to be believed; seal.ErrEvidence: it does not tell.
func (c *Case) Judge(pin envelope.OrgID, id *seal.Identity) (*Verdict, error) {
	org, err := chain.Replay(c.Org, chain.NewOrg)
	if err != nil {
		return nil, fmt.Errorf("%w: the organisation's chain: %w", ErrCase, err)
	}
	if org.ID() != pin {
		return nil, fmt.Errorf("%w: of organisation %s, trusted is %s", ErrCase, org.ID(), pin)
	}
	n, d, err := c.dispute(org)
	if err != nil {
		return nil, err
	}
	recorder, ok := onceListed(org, d.Recorder)
	if !ok {
		return nil, fmt.Errorf("%w: the organisation never listed recorder %s", ErrCase, d.Recorder)
	}
	if envelope.SumBytes(c.Evidence) != d.Evidence {
		return nil, fmt.Errorf("%w: the evidence is not what the dispute names", ErrCase)
	}
	e, err := seal.OpenEvidence(id, pin, d.Coverage.Hash, c.Evidence)
	if err != nil {
		return nil, err
	}
	found, err := e.Judge(d, recorder.Key)
	return &Verdict{
		Channel: n.Channel, Coverage: d.Coverage, Recorder: d.Recorder, Name: recorder.Name,
		Disputer: n.User, Device: n.Key, Fault: found.Fault, Why: found.Why,
	}, err
}

// dispute verifies the statement by the disputer's chain.
func (c *Case) dispute(org *chain.Org) (*envelope.Notice, *envelope.Dispute, error) {
	user, err := chain.Replay(c.User, func(e *envelope.Entry) (*chain.User, error) { return chain.NewUser(org, e) })
	if err != nil {
		return nil, nil, fmt.Errorf("%w: the disputer's chain: %w", ErrCase, err)
	}
	_, n, _, err := envelope.ParseNotice(c.Statement)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrCase, err)
	}
	device, ok := onceLive(user, n.Key)
	if !ok || n.User != user.ID() || n.Org != org.ID() {
		return nil, nil, fmt.Errorf("%w: device %s of user %s is not in the chain", ErrCase, n.Key, n.User)
	}
	_, body, err := envelope.OpenNotice(c.Statement, envelope.LabelDispute, device.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrCase, err)
	}
	return n, body.(*envelope.Dispute), nil
}

// onceListed finds a recorder that the organisation lists, or listed before.
func onceListed(org *chain.Org, recorder envelope.KeyID) (*envelope.Party, bool) {
	for seq := org.Seq(); ; seq-- {
		if p, ok := org.PartyAt(envelope.RoleRecorder, recorder, seq); ok || seq == 0 {
			return p, ok
		}
	}
}

// onceLive finds a device that the person has, or had before it was revoked.
func onceLive(u *chain.User, key envelope.KeyID) (*envelope.DeviceBody, bool) {
	for seq := u.Seq(); ; seq-- {
		if d, ok := u.DeviceAt(key, seq); ok || seq == 0 {
			return d, ok
		}
	}
}
