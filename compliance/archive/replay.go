package archive

import (
	"bytes"
	"errors"
	"fmt"
	"maps"

	"chancery/compliance/record"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
)

// maxPending bounds the entries of one channel that wait for an earlier one.
const maxPending = 4096

// channelState follows one channel through the archive.
type channelState struct {
	about   Channel
	chain   *chain.Channel // nil before its genesis
	start   uint64         // position before the first entry of the archive
	pending map[uint64]*envelope.Placed
	// followed: the archives before led up to start, entry by entry.
	followed bool
}

func (s *channelState) position() uint64 {
	if s.chain == nil {
		return 0
	}
	return s.chain.Position
}

type missingKey struct {
	channel  envelope.ChannelID
	position uint64
	object   string
}

type replayCounts struct {
	entries, messages, disposed int
	files                       map[string]bool
}

// checkHoles is rung 6. One replay of every channel answers rungs 6 to 8; each
// rung then reports what the replay refused on its account.
func (c *climb) checkHoles() ([]string, error) {
	c.replay.files = map[string]bool{}
	if c.failure = c.replayAll(); c.failure != nil {
		c.refused = rungOf(c.failure)
	}
	if c.refused == 6 {
		return nil, c.failure
	}
	evidence := []string{
		fmt.Sprintf("%d entries in %d channels, at positions without a gap", c.replay.entries, len(c.channels)),
		fmt.Sprintf("%d messages were disposed of, each under a certificate", c.replay.disposed),
	}
	if c.refused != 0 {
		evidence = []string{"up to the entry that is refused below"}
	}
	return evidence, nil
}

// checkSenders is rung 7.
func (c *climb) checkSenders() ([]string, error) {
	if c.refused == 7 {
		return nil, c.failure
	}
	if c.refused == 8 {
		return []string{"up to the entry that is refused below"}, nil
	}
	followed := 0
	for _, s := range c.channels {
		if s.start == 0 || s.followed {
			followed++
		}
	}
	return []string{
		fmt.Sprintf("%d messages carry their senders' signatures and gapless device numbers", c.replay.messages),
		fmt.Sprintf("%d sealed files match their messages", len(c.replay.files)),
		fmt.Sprintf("counters are followed from the first entry in %d of %d channels, else from the first seen", followed, len(c.channels)),
	}, nil
}

// checkRights is rung 8.
func (c *climb) checkRights() ([]string, error) {
	if c.failure != nil {
		return nil, c.failure
	}
	epochs, captured := 0, 0
	for _, s := range c.channels {
		if newest, ok := s.chain.Newest(); ok {
			epochs += int(newest.N)
		}
		if s.chain.Genesis.Capture == envelope.CaptureRequired {
			captured++
		}
	}
	return []string{
		fmt.Sprintf("%d people's chains and every link, epoch, acknowledgement and coverage follow the rules", len(c.dir.users)),
		fmt.Sprintf("%d epochs so far; %d of %d channels require capture", epochs, captured, len(c.channels)),
	}, nil
}

// onRung marks an error as another rung's than 6.
type onRung struct {
	rung int
	error
}

func (o onRung) Unwrap() error { return o.error }

func at(rung int, err error) error {
	if err == nil {
		return nil
	}
	return onRung{rung, err}
}

func rungOf(err error) int {
	if o, ok := errors.AsType[onRung](err); ok {
		return o.rung
	}
	return 6
}

// replayAll reads the chains and the history, then applies every entry.
func (c *climb) replayAll() error {
	if err := c.readUsers(); err != nil {
		return at(8, err)
	}
	if err := c.readExceptions(); err != nil {
		return err
	}
	if err := c.readChannels(); err != nil {
		return err
	}
	if err := c.readHistory(); err != nil {
		return err
	}
	if err := c.eachRecord(c.replayRecord); err != nil {
		return err
	}
	return c.endReplay()
}

func (c *climb) readUsers() error {
	users := map[envelope.UserID]*chain.User{}
	var current *chain.User
	err := eachOf(c, usersPath, maxPlainChains, func(l *ChainLine) error {
		e, err := envelope.ParseEntry(l.Entry)
		if err != nil {
			return tampered("%w", err)
		}
		c.links[e.Hash()] = true
		if current != nil && envelope.Hash(current.ID()) == l.Chain {
			err = current.Apply(e)
		} else {
			before := current
			if current, err = chain.NewUser(c.dir.org, e); err == nil {
				err = inOrder(before, current, l.Chain)
				users[current.ID()] = current
			}
		}
		if err != nil {
			return tampered("%w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for id, before := range c.dir.users {
		if now, ok := users[id]; ok && !now.HasHead(before.Seq(), before.Head()) {
			return tampered("the chain of user %s does not continue that of the archive before", id)
		}
	}
	// Someone whom only earlier archives knew may still be a member somewhere.
	merged := maps.Clone(c.dir.users)
	if merged == nil {
		merged = users
	}
	maps.Copy(merged, users)
	c.dir.users = merged
	return nil
}

func inOrder(before, now *chain.User, chainID envelope.Hash) error {
	id := now.ID()
	if envelope.Hash(id) != chainID {
		return fmt.Errorf("chain %s starts with the genesis of %s", chainID, id)
	}
	if before != nil && envelope.CompareUser(before.ID(), id) >= 0 {
		return fmt.Errorf("chain %s is out of order", id)
	}
	return nil
}

func (c *climb) readExceptions() error {
	c.missing = map[missingKey]bool{}
	err := eachOf(c, missPath, maxPlainChains, func(e *Exception) error {
		if e.Code != FileMissing && e.Code != NotCovered {
			return tampered("exception %q", e.Code)
		}
		c.missing[missingKey{e.Channel, e.Position, e.Object}] = true
		c.report.Exceptions = append(c.report.Exceptions, *e)
		return nil
	})
	if err == nil && len(c.report.Exceptions) != c.about.Exceptions {
		return tampered("%d exceptions, %s says %d", len(c.report.Exceptions), aboutPath, c.about.Exceptions)
	}
	return err
}

// readChannels sets every channel to where the index says that it stood.
func (c *climb) readChannels() error {
	c.channels = map[envelope.ChannelID]*channelState{}
	var last envelope.ChannelID
	return eachOf(c, channelPath, maxPlainChains, func(l *Channel) error {
		if bytes.Compare(last[:], l.Channel[:]) >= 0 {
			return tampered("channel %s is out of order", l.Channel)
		}
		last = l.Channel
		s := &channelState{about: *l, start: l.Position, pending: map[uint64]*envelope.Placed{}}
		c.channels[l.Channel] = s
		return c.continueChannel(s)
	})
}

// continueChannel goes on where the archives before left a channel.
func (c *climb) continueChannel(s *channelState) error {
	before, ok := c.follow[s.about.Channel]
	if !ok {
		return nil
	}
	switch at := before.position(); {
	case s.about.Position > at:
		return incomplete("channel %s goes on after %d, the archives before end at %d", s.about.Channel, s.about.Position, at)
	case s.about.Position < at || s.about.Head != before.chain.Top:
		return tampered("channel %s stood elsewhere at the end of the archives before", s.about.Channel)
	}
	s.chain, s.followed = before.chain, true
	return nil
}

// readHistory reads the links of channels that started before the archive, and
// sets each to where the index says that it stood. Channels that were followed
// entry by entry need none.
func (c *climb) readHistory() error {
	err := eachOf(c, historyPath, maxPlainChains, c.readLink)
	if err != nil {
		return err
	}
	for id, s := range c.channels {
		if s.start == 0 || s.followed {
			continue
		}
		if s.chain == nil {
			return incomplete("channel %s started before the archive, and its history is missing", id)
		}
		s.chain.StartAt(s.about.Position, s.about.Head, s.about.Received)
	}
	return nil
}

func (c *climb) readLink(l *HistoryLine) error {
	s, ok := c.channels[l.Channel]
	if !ok {
		return tampered("history of channel %s, which is not in the index", l.Channel)
	}
	p, err := envelope.ParsePlaced(l.Entry)
	if err != nil {
		return at(8, tampered("%w", err))
	}
	switch {
	case p.Position > s.start:
		return tampered("history of channel %s after %d", l.Channel, s.start)
	case s.followed:
		return nil
	case s.chain == nil:
		return c.startChannel(s, p)
	}
	if err := s.chain.ReadLink(p); err != nil {
		return at(8, tampered("channel %s at %d: %w", l.Channel, p.Position, err))
	}
	return nil
}

func (c *climb) startChannel(s *channelState, p *envelope.Placed) error {
	ch, err := chain.NewChannel(c.dir, p)
	if err != nil {
		return at(rungOfReason(err), tampered("channel %s at %d: %w", s.about.Channel, p.Position, err))
	}
	if ch.ID() != s.about.Channel {
		return at(8, tampered("channel %s starts with the genesis of %s", s.about.Channel, ch.ID()))
	}
	s.chain = ch
	return nil
}

// replayRecord applies a record's entry once its predecessors are applied. The
// log may hold entries of one channel a little out of order.
func (c *climb) replayRecord(a *archived) error {
	if a.record == nil {
		return nil
	}
	if a.placed == nil {
		return at(8, c.checkLinkKnown(a.record))
	}
	s, ok := c.channels[a.record.Channel]
	if !ok {
		return tampered("record %d is of channel %s, which is not in the index", a.index, a.record.Channel)
	}
	if a.placed.Position <= s.position() || s.pending[a.placed.Position] != nil {
		return tampered("channel %s has entry %d twice", s.about.Channel, a.placed.Position)
	}
	s.pending[a.placed.Position] = a.placed
	for p := s.pending[s.position()+1]; p != nil; p = s.pending[s.position()+1] {
		delete(s.pending, p.Position)
		if err := c.apply(s, p); err != nil {
			return err
		}
	}
	if len(s.pending) > maxPending {
		return incomplete("channel %s lacks entry %d", s.about.Channel, s.position()+1)
	}
	return nil
}

// checkLinkKnown checks that a logged link of an identity chain is in it.
func (c *climb) checkLinkKnown(r *record.Record) error {
	switch r.Op {
	case record.OrgCreate, record.OrgLink, record.UserCreate, record.DeviceAdd:
		if r.Outcome == record.OK && !r.Entry.IsZero() && !c.links[r.Entry] {
			return incomplete("link %s was logged (%s), and is in no chain of the archive", r.Entry, r.Op)
		}
	}
	return nil
}

func (c *climb) apply(s *channelState, p *envelope.Placed) error {
	c.replay.entries++
	if s.chain == nil {
		return c.startChannel(s, p)
	}
	if err := s.chain.Apply(p); err != nil {
		refuse := tampered
		if chain.ReasonOf(err) == chain.CounterBad {
			refuse = incomplete
		}
		return at(rungOfReason(err), refuse("channel %s at %d: %w", s.about.Channel, p.Position, err))
	}
	if p.Entry.Kind != envelope.KindMessage {
		return nil
	}
	c.replay.messages++
	if !p.Disposed() {
		return at(7, c.checkAttachments(s, p))
	}
	c.replay.disposed++
	return c.dispose(s.about.Channel, p)
}

// rungOfReason tells on which rung's account the chain refused.
func rungOfReason(err error) int {
	switch chain.ReasonOf(err) {
	case chain.BrokenOrder:
		return 6
	case chain.CounterBad, chain.BadSignature, chain.DeviceUnknown, chain.SeenBad, chain.Malformed, chain.Duplicate:
		return 7
	}
	return 8
}

// endReplay checks that nothing is left over.
func (c *climb) endReplay() error {
	for id, s := range c.channels {
		if len(s.pending) > 0 {
			return incomplete("channel %s lacks entry %d", id, s.position()+1)
		}
		if s.chain == nil {
			return tampered("channel %s is in the index and has no entries", id)
		}
	}
	if c.replay.messages != c.about.Messages {
		return tampered("%d messages, %s says %d", c.replay.messages, aboutPath, c.about.Messages)
	}
	if err := c.checkCertificates(); err != nil {
		return err
	}
	return at(7, c.checkStrayFiles())
}
