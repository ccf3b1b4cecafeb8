package adversary

import (
	"context"
	"errors"
	"testing"

	"chancery/cmd/internal/client/session"
	"chancery/core/wire"
	"chancery/crypto/approval"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/keyring"
	"chancery/crypto/seal"
	"chancery/crypto/suitetest"
)

// Ann takes somebody in, and the server hands her another key for them.
func TestAttack04SubstitutedUserKey(t *testing.T) {
	siege(t, func(d *desk) {
		newcomer, mallory := d.ghost(), d.join("mallory-"+d.id.String()[:8])
		d.say(d.ann, "before")
		reason := chain.BadSignature
		switch d.lie {
		case "recipient":
			d.chainOf(newcomer, func(c *wire.Chain) { c.Entries[0] = d.newRecipient(c.Entries[0]) })
		case "another's chain":
			reason = chain.WrongChain
			theirs, err := mallory.API.UserChain(d.t.Context(), mallory.Me.Chain)
			d.must(err)
			d.chainOf(newcomer, func(c *wire.Chain) { *c = *theirs })
		}
		c, err := d.ann.hold(d.t.Context(), d.id)
		d.must(err)
		before := len(d.sent("ann", d.id, envelope.KindLink))
		err = c.Add(d.t.Context(), newcomer.Me.Chain, envelope.RankMember)
		if !d.attacked {
			d.must(err)
			d.want(nil, "before", d.bob)
			return
		}
		d.says("ann adding", err, reason)
		if after := len(d.sent("ann", d.id, envelope.KindLink)); after != before {
			d.t.Errorf("ann has signed %d links", after-before)
		}
	}, "recipient", "another's chain")
}

// chainOf bends somebody's chain wherever it is given.
func (d *desk) chainOf(p *person, bend func(*wire.Chain)) {
	id := p.Me.Chain.String()
	answers(d.server, getChain, func(r asked, c *wire.Chain) {
		if r.URL.Path == "/v1/people/"+id+"/chain" {
			bend(c)
		}
	})
}

// newRecipient puts a key of the server's into a user's genesis.
func (d *desk) newRecipient(raw []byte) []byte {
	e, err := envelope.ParseEntry(raw)
	d.must(err)
	l, err := envelope.ParseLink(e)
	d.must(err)
	b, err := envelope.ParseBody[envelope.UserGenesisBody](l)
	d.must(err)
	id, err := seal.UserIdentity(d.suite, seal.NewUserSeed())
	d.must(err)
	b.Recipient = id.Recipient()
	l.Body = envelope.Marshal(b)
	e.Header = envelope.Marshal(l)
	return envelope.Marshal(e)
}

// A person's chain, or the organisation's, goes back to an older head.
func TestAttack05ChainRollback(t *testing.T) {
	siege(t, func(d *desk) {
		phone := d.secondDevice(d.ann)
		d.must(phone.post(d.id, "from my phone"))
		d.shows(d.bob, "from my phone")
		d.must(d.bob.Dir.RefreshOrg(d.t.Context()))
		switch d.lie {
		case "person":
			d.chainOf(d.ann, func(c *wire.Chain) { c.Entries = c.Entries[:1] })
			d.must(d.bob.again(true)) // what was verified is not asked for again
		case "organisation":
			answers(d.server, getOrg, func(r asked, c *wire.Chain) { c.Entries = c.Entries[:len(c.Entries)-1] })
			d.says("bob starting", d.bob.again(true), session.ErrRollback)
			d.heal()
			d.must(d.bob.again(false))
			return
		}
		d.want(session.ErrRollback, "from my phone", d.bob)
	}, "person", "organisation")
}

// secondDevice enrols another device of somebody's, which they approve by its
// ticket.
func (d *desk) secondDevice(p *person) *person {
	d.t.Helper()
	phone := d.signIn(p.name)
	ctx, cancel := context.WithCancel(d.t.Context())
	defer cancel()
	shown, done := make(ticket, 1), make(chan error, 1)
	go func() { done <- phone.EnrollNext(ctx, "phone", shown) }()
	select {
	case t := <-shown:
		_, err := p.ApproveByTicket(ctx, t)
		d.must(err)
		d.must(<-done)
	case err := <-done:
		d.t.Fatalf("asking for approval: %v", err)
	}
	return phone
}

// ticket is a screen on which nothing is typed.
type ticket chan approval.Ticket

func (t ticket) Ticket(x approval.Ticket) { t <- x }
func (ticket) Code(approval.Code)         {}
func (ticket) Ask(context.Context) (string, error) {
	return "", errors.New("asked for a code in spite of the ticket")
}

// The server's removal key is used for what it is not for: a recorder, and an
// owner without a second key.
func TestAttack46RemovalKey(t *testing.T) {
	siegeCapture(t, func(d *desk) {
		d.say(d.ann, "here")
		remove := func(id envelope.UserID) {
			d.place(d.byServer(envelope.MemberRemove, &envelope.RemoveBody{User: id, Reason: "departed"}, nil, d.Removal))
		}
		reason := chain.NotAllowed
		switch d.lie {
		case "recorder":
			reason = chain.NotMember
			remove(envelope.UserID(d.recorder.key.ID()))
		case "owner":
			remove(d.ann.Me.Chain)
		}
		d.want(reason, "here", d.bob, d.ann)
	}, "recorder", "owner")
}

// Owners are removed one by one, far below the fuse: each takes two keys, also
// with another key of the server's beside it.
func TestAttack57OwnersOneByOne(t *testing.T) {
	siege(t, func(d *desk) {
		c, err := d.ann.hold(d.t.Context(), d.id)
		d.must(err)
		d.must(c.SetRank(d.t.Context(), d.bob.Me.Chain, envelope.RankOwner))
		d.say(d.ann, "two owners")
		body := &envelope.RemoveBody{User: d.bob.Me.Chain, Reason: "departed"}
		reason := chain.NotAllowed
		switch d.lie {
		case "one key":
			d.place(d.byServer(envelope.MemberRemove, body, nil, d.Removal))
		case "with the receipt key":
			reason = chain.NotListed
			d.place(d.byServer(envelope.MemberRemove, body, nil, d.Removal, d.Receipt))
		}
		d.want(reason, "two owners", d.carol, d.bob)
	}, "one key", "with the receipt key")
}

// The server turns out to be of another organisation: for a running client, for
// one that starts again, and for a new one with an invitation.
func TestAttack48OrganisationSwapped(t *testing.T) {
	t.Parallel()
	s := start(t, suitetest.Suite(), envelope.CaptureOff)
	other := start(t, suitetest.Suite(), envelope.CaptureOff)
	ann, pin := s.join("ann"), s.Org().ID()
	theirs := other.signIn("ann")
	d := &desk{server: s, t: t}
	d.must(ann.again(true)) // the control: the same organisation

	d.front.to(other.front) // where the name leads from now on
	ann.token = theirs.token
	ann.API.SetToken(theirs.token)
	d.says("ann refreshing", ann.Dir.RefreshOrg(t.Context()), session.ErrOrg)
	d.says("ann starting", ann.again(true), session.ErrOrg)
	fresh, err := keyring.Create(t.TempDir()+"/ring", passphrase, keyring.Cheap(), keyring.Suite(s.suite))
	d.must(err)
	d.says("somebody invited", ann.tryOpen(fresh, pin), session.ErrOrg)
}
