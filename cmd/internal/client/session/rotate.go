package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"chancery/cmd/internal/client"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// ErrNoAcknowledgement: a required recorder has not said that it can open the
// epoch, so nothing may be sent.
var ErrNoAcknowledgement = errors.New("recorder has not acknowledged")

// rotate places an epoch if one is due and waits until one can be written in.
func (c *Channel) rotate(ctx context.Context) error {
	for try := 0; ; try++ {
		cause, due := c.due()
		if !due {
			return c.awaitEpoch(ctx)
		}
		if err := c.announceOrg(ctx); err != nil {
			return err
		}
		err := c.placeEpoch(ctx, cause)
		if err == nil {
			continue
		}
		// Another member may have been first: then theirs is the epoch.
		if p, ok := errors.AsType[*client.Problem](err); !ok || p.Status != http.StatusConflict || try == rounds {
			return fmt.Errorf("starting a new epoch (%s): %w", cause, err)
		}
		if err := c.catchUp(ctx); err != nil {
			return err
		}
	}
}

// due adds to the chain's rule that time-outs are met early, at 80 % of the
// lifetime, so that a recorder's outage of hours does not stop a channel.
func (c *Channel) due() (envelope.Cause, bool) {
	now := c.s.Now().UnixMicro()
	if cause, due := c.chain.Due(now); due {
		return cause, true
	}
	newest, _ := c.chain.Newest()
	early := newest.Body.NotAfter - int64(c.chain.Genesis.Lifetime)*1e6/5
	return envelope.CauseExpiry, now >= early
}

func (c *Channel) placeEpoch(ctx context.Context, cause envelope.Cause) error {
	recipients, err := c.chain.Recipients()
	if err != nil {
		return err
	}
	n, prev := uint64(1), envelope.Hash{}
	if newest, ok := c.chain.Newest(); ok {
		n, prev = newest.N+1, newest.Body.SeedCommit
	}
	seed, about := seal.NewSeed(), seal.Epoch{Org: c.chain.Org(), Channel: c.id, N: n}
	wraps, err := seal.WrapAll(c.s.Dir.Org().Suite(), seed, about, recipients)
	if err != nil {
		return err
	}
	body := &envelope.EpochBody{
		N: n, Cause: cause, MembersRoot: wraps.MembersRoot, SeedCommit: wraps.SeedCommit, WrapsRoot: wraps.WrapsRoot,
		PrevCommit: prev, History: c.chain.Genesis.History,
		NotAfter: c.s.Now().Add(time.Duration(c.chain.Genesis.Lifetime) * time.Second).UnixMicro(),
	}
	if err := c.placeLink(ctx, envelope.EpochStart, body, wraps.Files); err != nil {
		return err
	}
	if e, ok := c.chain.Epoch(n); ok && e.Body.SeedCommit == wraps.SeedCommit {
		c.keys[n] = epochKey{key: seed.Key(c.epoch(e))}
	}
	return nil
}

// placeLink signs the channel's next link, has it placed and reads up to it.
func (c *Channel) placeLink(ctx context.Context, kind envelope.LinkType, body any, wraps [][]byte) error {
	e := next(c.chain.Org(), envelope.Hash(c.id), c.tip(), kind, body, c.s.Me.Chain, c.s.Now(), c.s.device)
	return c.placeEntry(ctx, e, c.tip().Seq()+1, wraps)
}

// placeEntry has link seq placed, and finds it in its place: a receipt alone would
// let a server swallow a removal.
func (c *Channel) placeEntry(ctx context.Context, e *envelope.Entry, seq uint64, wraps [][]byte) error {
	raw, err := c.send(ctx, wire.NewEntry{Entry: envelope.Marshal(e), Wraps: wraps})
	if err != nil {
		return err
	}
	r, err := c.receipt(ctx, raw, e, c.s.device.ID(), 0)
	if err != nil {
		return err
	}
	if r.Position > c.position() {
		c.heads[r.Position] = r.Head
	}
	if err := c.catchUp(ctx); err != nil {
		return err
	}
	if !c.chain.HasHead(seq, e.Hash()) {
		return fmt.Errorf("%w: a receipt for place %d, where the link does not stand", ErrAnswer, r.Position)
	}
	return nil
}

// tip is the end of the channel's own chain of links.
func (c *Channel) tip() tip { return c.chain }

// announce tells the channel of this very device, if it is newer than what the
// channel knows of the person.
func (c *Channel) announce(ctx context.Context) error {
	me := c.s.Me.Chain
	m, ok := c.chain.Member(me)
	if !ok {
		return fmt.Errorf("%w of channel %s", ErrNotMember, c.id)
	}
	u, err := c.s.Dir.Load(ctx, me, m.UserSeq)
	if err != nil {
		return err
	}
	if _, known := u.DeviceAt(c.s.device.ID(), m.UserSeq); known {
		return nil
	}
	return c.sync(ctx, envelope.Hash(me), u)
}

// announceOrg tells the channel of newer listings before people are wrapped to.
func (c *Channel) announceOrg(ctx context.Context) error {
	org := c.s.Dir.Org()
	if !c.recorded() || org.Seq() <= c.chain.OrgSeq {
		return nil
	}
	return c.sync(ctx, envelope.Hash(org.ID()), org)
}

func (c *Channel) sync(ctx context.Context, id envelope.Hash, t tip) error {
	err := c.placeLink(ctx, envelope.Sync, &envelope.SyncBody{Chain: id, Seq: t.Seq(), Head: t.Head()}, nil)
	if p, ok := errors.AsType[*client.Problem](err); ok && p.Status == http.StatusConflict {
		return c.catchUp(ctx) // someone else told it first
	}
	return err
}

// ErrNotMember: the person is not in the channel.
var ErrNotMember = errors.New("you are not a member")

// awaitEpoch waits until there is an epoch that messages can be sealed in.
func (c *Channel) awaitEpoch(ctx context.Context) error {
	if c.writable() {
		return nil
	}
	deadline := time.Now().Add(c.s.AckWait)
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		if err := c.catchUp(ctx); err != nil {
			return err
		}
		if c.writable() {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w epoch %d of channel %s within %s: is chancery-recorder running? waiting for %s",
				ErrNoAcknowledgement, c.newest().N, c.id, c.s.AckWait, c.missing())
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// writable tells whether the current epoch can be written in. An older
// epoch goes on while recorders are asked about the newest, unless that one
// started because someone has to be kept out.
func (c *Channel) writable() bool {
	current, ok := c.chain.Current()
	if !ok || c.s.Now().UnixMicro() >= current.Body.NotAfter {
		return false
	}
	newest := c.newest()
	restricts := slices.Contains([]envelope.Cause{envelope.CauseRemove, envelope.CauseRestore, envelope.CauseDevice, envelope.CauseRecorder}, newest.Body.Cause)
	return newest == current || !restricts && !c.strict
}

func (c *Channel) newest() *chain.Epoch {
	e, _ := c.chain.Newest()
	return e
}

// missing are the recorders that have not acknowledged the newest epoch.
func (c *Channel) missing() string {
	return c.s.recorderNames(slices.DeleteFunc(c.chain.Recorders(), c.newest().Acknowledged))
}
