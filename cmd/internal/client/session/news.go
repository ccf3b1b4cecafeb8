package session

import (
	"context"
	"fmt"
	"strings"
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
		if text := describe(u, l); l.Seq > told && l.Key != s.device.ID() && text != "" {
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
func describe(u *chain.User, l *envelope.Link) string {
	when := time.UnixMicro(l.Time).UTC().Format("2 January 2006 15:04 UTC")
	switch l.Type {
	case envelope.DeviceAdd:
		if b, err := envelope.ParseBody[envelope.DeviceBody](l); err == nil {
			return fmt.Sprintf("a device was added: %q, on %s, by %s", b.Name, when, nameAt(u, l.Key, l.Seq))
		}
	case envelope.DeviceEnd:
		if b, err := envelope.ParseBody[envelope.DeviceEndBody](l); err == nil {
			return fmt.Sprintf("a device was revoked: %s, on %s, by %s", nameAt(u, b.Device, l.Seq-1), when, nameAt(u, l.Key, l.Seq))
		}
	case envelope.Recovery:
		return fmt.Sprintf("your recovery kit was changed on %s, by %s: an earlier one is worth nothing now", when, nameAt(u, l.Key, l.Seq))
	case envelope.Recover:
		if b, err := envelope.ParseBody[envelope.RecoverBody](l); err == nil {
			return fmt.Sprintf("Needs attention: your recovery kit was used on %s. It added %s and revoked %s. If that wasn't you, "+
				"revoke what it added and change your password; in any case make a new kit", when, added(b.Add), ended(u, b.End, l.Seq-1))
		}
	}
	return ""
}

func nameAt(u *chain.User, device envelope.KeyID, seq uint64) string {
	if d, ok := u.DeviceAt(device, seq); ok {
		return fmt.Sprintf("%q", d.Name)
	}
	return "a device of yours"
}

func added(devices []envelope.DeviceBody) string {
	if len(devices) == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%q", devices[0].Name)
}

func ended(u *chain.User, devices []envelope.KeyID, seq uint64) string {
	names := make([]string, len(devices))
	for i, d := range devices {
		names[i] = nameAt(u, d, seq)
	}
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}
