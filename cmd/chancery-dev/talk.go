package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// revise edits and deletes, and reads the channel as it then is.
func (s *story) revise(context.Context) error {
	fay := s.people["fay"]
	var sent struct {
		Position uint64 `json:"position"`
	}
	if err := fay.ask(&sent, "post", desk, "we sell 5 million"); err != nil {
		return err
	}
	at := strconv.FormatUint(sent.Position, 10)
	if _, err := fay.do("post", desk, "--edit", at, "we sell 3 million"); err != nil {
		return err
	}
	s.told = append(s.told, saying{"fay", "we sell 3 million"})
	if err := fay.ask(&sent, "post", desk, "this goes away"); err != nil {
		return err
	}
	if _, err := fay.do("post", desk, "--delete", strconv.FormatUint(sent.Position, 10)); err != nil {
		return err
	}
	out, err := s.people["ben"].do("tail", desk)
	if err != nil {
		return err
	}
	return s.compare(out)
}

// fileSizes are bytes: nothing, one, a chunk and its neighbours, and large.
var fileSizes = []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 20 << 20}

// attach posts files of every size.
func (s *story) attach(context.Context) error {
	fay := s.people["fay"]
	for _, size := range fileSizes {
		content := make([]byte, size)
		_, _ = rand.Read(content)
		name := fmt.Sprintf("file-%d.bin", size)
		path, err := fay.file(name, content)
		if err != nil {
			return err
		}
		var sent struct {
			Position uint64 `json:"position"`
		}
		if err := fay.ask(&sent, "post", desk, "--attach", path, name); err != nil {
			return err
		}
		s.attached = append(s.attached, sent.Position)
		s.told = append(s.told, saying{"fay", name})
		s.files = append(s.files, sum(content))
	}
	return nil
}

// detach has somebody else fetch and open what attach sent.
func (s *story) detach(context.Context) error {
	dev := s.people["dev"]
	sent := s.files[len(s.files)-len(fileSizes):]
	for i, position := range s.attached {
		got := filepath.Join(dev.home, fmt.Sprintf("got-%d", i))
		if err := s.fetch(dev, position, got); err != nil {
			return err
		}
		if b, err := os.ReadFile(got); err != nil || sum(b) != sent[i] {
			return fmt.Errorf("a file of %d bytes came back as %d (%w)", fileSizes[i], len(b), err)
		}
	}
	s.note("%d files of 0 bytes to 20 MB equal by SHA-256", len(fileSizes))
	return nil
}

// fetch downloads an attachment. In a recorded channel it opens only once the
// recorder has covered it, so the first tries may come too early.
func (s *story) fetch(p *person, position uint64, to string) error {
	return eventually(func() error {
		_, err := p.do("file", "get", desk, strconv.FormatUint(position, 10), "--out", to)
		return err
	})
}

// converse uses the other kinds of channel: public, and direct.
func (s *story) converse(context.Context) error {
	fay, ben, eve := s.people["fay"], s.people["ben"], s.people["eve"]
	if _, err := fay.do("channel", "create", "lunch", "--team", "trading", "--capture", "off"); err != nil {
		return err
	}
	if _, err := ben.do("channel", "join", "trading/lunch"); err != nil {
		return err
	}
	if _, err := ben.do("post", "trading/lunch", "noodles?"); err != nil {
		return err
	}
	if _, err := fay.do("dm", "ben", "-m", "yes, noodles"); err != nil {
		return err
	}
	if out, err := ben.do("dm", "fay", "-m", "in ten minutes"); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	_, err := eve.do("tail", desk)
	if p, ok := err.(*problem); !ok || p.answer.code != 5 {
		return fmt.Errorf("eve, who is in no team, was told of the desk: %w", err)
	}
	return nil
}

// gone shows what someone who was removed can still read: nothing new.
func (s *story) gone(context.Context) error {
	_, err := s.people["hal"].do("post", desk, "I am still here")
	if p, ok := err.(*problem); !ok || !slices.Contains([]int{4, 5, 6}, p.answer.code) {
		return fmt.Errorf("hal, who was removed, could post: %w", err)
	}
	return nil
}

// apart shows that the server's user can read nobody's keys.
func (s *story) apart(context.Context) error {
	if !s.ground.root {
		s.note("not started by root: everyone is one user here, so this was not tried")
		return nil
	}
	homes := []*party{s.signerParty, s.recorderParty, s.auditor}
	for _, p := range s.people {
		homes = append(homes, p.party)
	}
	for _, p := range homes {
		if _, err := run(s.host.command("/bin/ls", p.home), nil, []string{"ls", p.home}); err == nil {
			return fmt.Errorf("the server's user can look into %s", p.home)
		}
	}
	if _, err := run(s.host.command("/bin/ls", s.host.home), nil, []string{"ls"}); err != nil {
		return fmt.Errorf("the server's user can't look into its own home, so the others prove nothing: %w", err)
	}
	s.note("%d homes are closed to the server's user", len(homes))
	return nil
}
