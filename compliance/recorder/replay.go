package recorder

import (
	"fmt"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
)

// replayed is how many of the newest entries are judged again in full at the
// start: as far back as a message may refer. What is older was judged when it
// was kept; its heads and links are checked again, its messages' signatures not.
const replayed = 4096

// replay rebuilds the channel's state from the copy.
func (f *follower) replay() error { return f.replayTo(f.position()) }

func (f *follower) replayTo(last uint64) error {
	if last == 0 {
		return nil
	}
	s := skim{follower: f, counters: map[envelope.KeyID]chain.Counter{}}
	if last > replayed+1 {
		s.until = last - replayed
	}
	return f.walk(1, last, s.visit)
}

// skim is the state of reading old entries.
type skim struct {
	*follower
	until    uint64 // the last position that is skimmed
	top      envelope.Hash
	messages uint64
	counters map[envelope.KeyID]chain.Counter
}

func (s *skim) visit(p *envelope.Placed) error {
	err := s.skimOrJudge(p)
	if err != nil {
		return fmt.Errorf("%w: entry %d: %w", errDamaged, p.Position, err)
	}
	s.stays = trackStays(s.stays, p)
	s.track(p)
	return nil
}

func (s *skim) skimOrJudge(p *envelope.Placed) error {
	if s.until == 0 || p.Position > s.until {
		return s.judge(p)
	}
	if p.Position == 1 {
		s.top = p.Head
		return s.judge(p)
	}
	if p.Head != envelope.NextHead(s.top, p.Position, p.Received, p.Hash()) {
		return fmt.Errorf("head does not follow")
	}
	s.top = p.Head
	if err := s.count(p); err != nil {
		return err
	}
	if p.Position == s.until {
		s.channel.StartAt(p.Position, p.Head, p.Received)
		s.channel.Know(s.counters, nil)
		s.channel.Messages = s.messages
	}
	return nil
}

func (s *skim) count(p *envelope.Placed) error {
	if p.Entry.Kind != envelope.KindMessage {
		return s.channel.ReadLink(p)
	}
	h, err := parseHeader(p)
	if err != nil {
		return err
	}
	s.counters[h.Device] = chain.Counter{Seq: h.DeviceSeq, Hash: p.Hash()}
	s.messages++
	return nil
}

func parseHeader(p *envelope.Placed) (*envelope.Header, error) {
	return envelope.ParseHeader(&p.Entry)
}

// stay is one membership, from the position that began it to the one that ended
// it, 0 while it lasts.
type stay struct {
	user        envelope.UserID
	from, until uint64
}

// trackStays takes the next entry's change of membership.
func trackStays(stays []stay, p *envelope.Placed) []stay {
	l, err := envelope.ParseLink(&p.Entry)
	if err != nil {
		return stays
	}
	switch l.Type {
	case envelope.ChannelGenesis:
		return append(stays, stay{user: l.User, from: p.Position})
	case envelope.MemberAdd:
		if b, err := envelope.ParseBody[envelope.AddBody](l); err == nil {
			return append(stays, stay{user: b.User, from: p.Position})
		}
	case envelope.MemberRemove:
		if b, err := envelope.ParseBody[envelope.RemoveBody](l); err == nil {
			endStay(stays, b.User, p.Position)
		}
	}
	return stays
}

func endStay(stays []stay, u envelope.UserID, position uint64) {
	for i := range stays {
		if stays[i].user == u && stays[i].until == 0 {
			stays[i].until = position
		}
	}
}

// wasMember tells whether a person belonged to the channel at a position.
func (f *follower) wasMember(u envelope.UserID, position uint64) bool {
	for _, s := range f.stays {
		if s.user == u && s.from <= position && (s.until == 0 || position < s.until) {
			return true
		}
	}
	return false
}
