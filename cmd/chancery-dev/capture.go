package main

import (
	"context"
	"fmt"
)

// recorderAway stops the recorder: what it can open goes on; no message is taken
// in an epoch that it has not acknowledged; and a device that waits for no more
// than two seconds is soon alarmed by what stays uncovered.
func (s *story) recorderAway(context.Context) error {
	dev := s.people["dev"]
	if err := dev.restartAgent("--ack-wait", "1s", "--cover-wait", "2s"); err != nil {
		return err
	}
	if err := s.recorder.stop(); err != nil {
		return err
	}
	if err := s.say("ben", "sent while the recorder is away"); err != nil {
		return err
	}
	if _, err := s.people["fay"].do("channel", "remove", desk, "hal"); err != nil {
		return err
	}
	_, err := dev.do("post", desk, "nobody must take this")
	p, ok := err.(*problem)
	if !ok || p.answer.code != unavailable {
		return fmt.Errorf("a message in an epoch that no recorder acknowledged: %w", err)
	}
	s.note("refused: %s", trim(p.Detail))
	return s.alarmed(dev)
}

// alarmed waits until a device stops sending and hides what nobody captured.
func (s *story) alarmed(p *person) error {
	var why string
	err := eventually(func() error {
		var shown struct{ Attention string }
		if err := p.ask(&shown, "channel", "show", desk); err != nil {
			return err
		}
		if why = shown.Attention; why == "" {
			return fmt.Errorf("%s's device is not alarmed by an uncovered message", p.username)
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = p.do("post", desk, "nor this")
	if x, ok := err.(*problem); !ok || x.answer.code != unavailable || x.Detail != why {
		return fmt.Errorf("a message while others are uncovered: %w", err)
	}
	s.note("alarm: %s", why)
	return nil
}

// recorderBack starts the recorder: it acknowledges, covers, and all goes on.
func (s *story) recorderBack(context.Context) error {
	if err := s.record(); err != nil {
		return err
	}
	if err := s.people["dev"].restartAgent(); err != nil {
		return err
	}
	return eventually(func() error { return s.say("ben", "the recorder is back") })
}
