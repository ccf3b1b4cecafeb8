package session

import (
	"context"
	"fmt"
	"time"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
)

// lookEvery is how often a device that stays open looks for news of its person's
// other devices.
const lookEvery = time.Minute

// News tells what other devices of this person did to the person's chain since
// this one last told it: each thing once, one line each.
func (s *Session) News(ctx context.Context) ([]string, error) {
	s.mu.Lock()
	due := s.Now().Sub(s.looked) >= lookEvery
	if due {
		s.looked = s.Now()
	}
	s.mu.Unlock()
	if !due {
		return nil, nil
	}
	u, links, err := s.ownLinks(ctx)
	if err != nil {
		return nil, err
	}
	told := u.Seq() // a device that has just joined is told of nothing
	if err := load(s.Ring, "told", &told); err != nil {
		return nil, err
	}
	var lines []string
	for _, l := range links {
		if text := s.describe(u, l); l.Seq > told && l.Key != s.device.ID() && text != "" {
			lines = append(lines, text)
		}
	}
	return lines, s.toldUpTo(u.Seq())
}

// toldUpTo remembers how far the person was told, each number once.
func (s *Session) toldUpTo(seq uint64) error {
	var told *uint64
	if err := load(s.Ring, "told", &told); err != nil || told != nil && *told == seq {
		return err
	}
	return save(s.Ring, "told", seq)
}

// ownLinks is this person's chain, verified, with its links.
func (s *Session) ownLinks(ctx context.Context) (*chain.User, []*envelope.Link, error) {
	u, entries, err := s.Dir.fetchUser(ctx, s.Me.Chain)
	if err != nil {
		return nil, nil, err
	}
	links := make([]*envelope.Link, len(entries))
	for i, e := range entries {
		if links[i], err = envelope.ParseLink(e); err != nil {
			return nil, nil, err
		}
	}
	return u, links, nil
}

// describe says what a link did, or nothing where it needs no notice.
func (s *Session) describe(u *chain.User, l *envelope.Link) string {
	what := did(u, l)
	if what == "" {
		return ""
	}
	by := "a device of yours"
	if d, ok := u.DeviceAt(l.Key, l.Seq); ok {
		by = fmt.Sprintf("%q", d.Name)
	} else if l.Type == envelope.Recover {
		by = "your recovery key, which is used up"
	}
	return fmt.Sprintf("%s, on %s, by %s", what, time.UnixMicro(l.Time).UTC().Format("2 January 2006 15:04 UTC"), by)
}

func did(u *chain.User, l *envelope.Link) string {
	switch l.Type {
	case envelope.DeviceAdd:
		if b, err := envelope.ParseBody[envelope.DeviceBody](l); err == nil {
			return fmt.Sprintf("a device was added: %q", b.Name)
		}
	case envelope.DeviceEnd:
		if b, err := envelope.ParseBody[envelope.DeviceEndBody](l); err == nil {
			if d, ok := u.DeviceAt(b.Device, l.Seq-1); ok {
				return fmt.Sprintf("a device was revoked: %q", d.Name)
			}
		}
	case envelope.UserKey:
		return "your key was renewed"
	case envelope.Recovery:
		return "your recovery key was changed"
	case envelope.Recover:
		return "your devices were changed"
	}
	return ""
}
