package main

import (
	"context"
	"fmt"
	"strconv"
)

// rates is a second recorded channel, which no hold keeps.
const rates = "trading/rates"

// short is what the rates channel says; it will be disposed of.
var short = []string{"10y at 4.21", "we lift 25", "done"}

// hold has compliance order a hold on the desk and legal approve it. One
// person can't do both: that is policy's rule before it is anybody else's.
func (s *story) hold(context.Context) error {
	rita, leo := s.people["rita"], s.people["leo"]
	if _, err := rita.do("matter", "create", "fx-2026", "--title", "FX inquiry"); err != nil {
		return err
	}
	id, err := s.channelID(s.people["fay"], desk)
	if err != nil {
		return err
	}
	var hold struct {
		ID       string `json:"id"`
		State    string `json:"state"`
		Messages int    `json:"messages"`
	}
	if err := rita.ask(&hold, "hold", "create", "FX inquiry", "--matter", "fx-2026", "--channel", id); err != nil {
		return err
	}
	if _, err := rita.do("hold", "approve", hold.ID); refusedBy(err, "dual.same_person") != nil {
		return refusedBy(err, "dual.same_person")
	}
	s.note("approving one's own hold: refused by dual.same_person")
	if err := leo.ask(&hold, "hold", "approve", hold.ID); err != nil {
		return err
	}
	if hold.State != "active" || hold.Messages < len(s.told) {
		return fmt.Errorf("the hold is %s over %d messages, of at least %d", hold.State, hold.Messages, len(s.told))
	}
	s.note("%d messages are held", hold.Messages)
	return nil
}

func (s *story) channelID(p *person, name string) (string, error) {
	var shown struct {
		ID string `json:"id"`
	}
	err := p.ask(&shown, "channel", "show", name)
	return shown.ID, err
}

// quote makes a recorded channel of fay's and ben's and says something there.
func (s *story) quote(name string, texts ...string) error {
	fay := s.people["fay"]
	if _, err := fay.do("channel", "create", name, "--team", "trading", "--private", "--capture", "required"); err != nil {
		return err
	}
	if _, err := fay.do("channel", "add", "trading/"+name, "ben"); err != nil {
		return err
	}
	for _, text := range texts {
		if _, err := fay.do("post", "trading/"+name, text); err != nil {
			return err
		}
	}
	return nil
}

// expire sets a rule under which the channel is past its time in a second.
func (s *story) expire(rule, channel string) error {
	id, err := s.channelID(s.people["fay"], channel)
	if err != nil {
		return err
	}
	_, err = s.people["rita"].do("retention", "rule", rule, "--channel", id, "--max", "1s")
	return err
}

// planned waits until a plan has n messages and a hold keeps at least so many:
// all must be past their time, covered, and under a signed checkpoint.
func (s *story) planned(n, held int) (p plan, err error) {
	err = eventually(func() error {
		if err := s.people["rita"].ask(&p, "retention", "plan"); err != nil {
			return err
		}
		if p.Messages != n {
			return fmt.Errorf("the plan has %d messages, %d are past their time", p.Messages, n)
		}
		if p.Blocked < held {
			return fmt.Errorf("a hold keeps %d messages, of at least %d", p.Blocked, held)
		}
		return nil
	})
	return p, err
}

// heldBack approves a disposal and then holds what it names: the run is
// refused, by policy before the store would. Someone without the role can't
// even plan.
func (s *story) heldBack(context.Context) error {
	rita, leo := s.people["rita"], s.people["leo"]
	if _, err := s.people["fay"].do("retention", "plan"); refusedBy(err, "main.no_rule") != nil {
		return refusedBy(err, "main.no_rule")
	}
	if err := s.expire("short-swaps", "trading/swaps"); err != nil {
		return err
	}
	p, err := s.planned(2, 0)
	if err != nil {
		return err
	}
	if _, err := leo.do("retention", "approve", p.ID); err != nil {
		return err
	}
	id, err := s.channelID(s.people["fay"], "trading/swaps")
	if err != nil {
		return err
	}
	var hold struct {
		ID string `json:"id"`
	}
	if err := rita.ask(&hold, "hold", "create", "Swaps", "--matter", "fx-2026", "--channel", id); err != nil {
		return err
	}
	if _, err := leo.do("hold", "approve", hold.ID); err != nil {
		return err
	}
	_, err = rita.do("retention", "run", p.ID, "--confirm", "2")
	return refusedBy(err, "hold.active")
}

// plan is a disposal as the command line shows it.
type plan struct {
	ID       string `json:"id"`
	State    string `json:"state"`
	Messages int    `json:"messages"`
	Blocked  int    `json:"blocked"`
	Why      string `json:"why"`
}

// dispose sets rules under which both channels are past their time. What is held
// stays; what is not is made unreadable, on the word of two people and of the
// recorder.
func (s *story) dispose(context.Context) error {
	rita, leo := s.people["rita"], s.people["leo"]
	for rule, channel := range map[string]string{"short-desk": desk, "short-rates": rates} {
		if err := s.expire(rule, channel); err != nil {
			return err
		}
	}
	p, err := s.planned(len(short), len(s.told))
	if err != nil {
		return err
	}
	run := []string{"retention", "run", p.ID, "--confirm", strconv.Itoa(p.Messages)}
	if _, err := rita.do(run...); refusedBy(err, "dual.not_approved") != nil {
		return refusedBy(err, "dual.not_approved")
	}
	if _, err := rita.do("retention", "approve", p.ID); refusedBy(err, "dual.same_person") != nil {
		return refusedBy(err, "dual.same_person")
	}
	if _, err := leo.do("retention", "approve", p.ID); err != nil {
		return err
	}
	if _, err := rita.do(run...); err != nil {
		return err
	}
	s.note("%d messages go, a hold keeps %d", p.Messages, p.Blocked)
	return s.certified(rita, p.ID)
}

// certified waits for the recorder's confirmation and the certificate.
func (s *story) certified(rita *person, id string) error {
	var p plan
	err := eventually(func() error {
		if err := rita.ask(&p, "retention", "show", id); err != nil {
			return err
		}
		if p.State != "certified" {
			return fmt.Errorf("plan %s is %s: %s", id, p.State, p.Why)
		}
		return nil
	})
	if err == nil {
		s.note("the recorder confirmed; the disposal is certified")
	}
	return err
}

// disposed shows that what went is gone for its own members, that what is held
// is not, and what the server says of each.
func (s *story) disposed(context.Context) error {
	went, stayed, err := s.shredded()
	if err != nil {
		return err
	}
	gone, err := s.why(rates, went)
	if err != nil {
		return err
	}
	kept, err := s.why(desk, stayed)
	if err != nil {
		return err
	}
	if gone != "disposed" || kept != "hold.active" {
		return fmt.Errorf("why says %q of what went and %q of what is held", gone, kept)
	}
	return nil
}

// shredded has a member read both channels: nothing of the one, all of the
// other. It gives the first position of each.
func (s *story) shredded() (went, stayed uint64, err error) {
	ben := s.people["ben"]
	out, err := ben.do("tail", rates)
	if err != nil {
		return 0, 0, err
	}
	messages, err := decodeAll(out)
	if err != nil {
		return 0, 0, err
	}
	for _, m := range messages {
		if m.State != "disposed" || m.Text != "" {
			return 0, 0, fmt.Errorf("message %d of %s is %s: %q", m.Position, rates, m.State, m.Text)
		}
	}
	if out, err = ben.do("tail", desk); err != nil {
		return 0, 0, err
	}
	held, err := decodeAll(out)
	if err != nil {
		return 0, 0, err
	}
	if len(messages) != len(short) || len(held) == 0 {
		return 0, 0, fmt.Errorf("%d messages are where %d went, %d are held", len(messages), len(short), len(held))
	}
	if err := s.compare(out); err != nil {
		return 0, 0, fmt.Errorf("the held desk: %w", err)
	}
	return messages[0].Position, held[0].Position, nil
}

func (s *story) why(channel string, position uint64) (string, error) {
	var w struct {
		Code string `json:"code"`
	}
	rita := s.people["rita"]
	id, err := s.channelID(s.people["fay"], channel)
	if err != nil {
		return "", err
	}
	err = rita.ask(&w, "why", id, strconv.FormatUint(position, 10))
	return w.Code, err
}
