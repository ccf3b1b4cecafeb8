package main

import (
	"context"
	"fmt"
)

// depart disables dev in the directory, and nobody does anything else: the
// server ends his session and takes him off the desk, the next writer rotates,
// and he reads no more.
func (s *story) depart(context.Context) error {
	dev, fay := s.people["dev"], s.people["fay"]
	before, err := s.deskState(fay)
	if err != nil {
		return err
	}
	if err := s.directory.Disable("dev"); err != nil {
		return err
	}
	err = eventually(func() error {
		now, err := s.deskState(fay)
		if err == nil && len(now.Members) != len(before.Members)-1 {
			err = fmt.Errorf("the desk has %d members, as before dev was disabled", len(now.Members))
		}
		return err
	})
	if err != nil {
		return err
	}
	s.note("the server found it, and took him off the desk by its removal key")
	if err := s.say("fay", "dev has left; from here on without him"); err != nil {
		return err
	}
	after, err := s.deskState(fay)
	if err != nil {
		return err
	}
	if after.Epoch <= before.Epoch {
		return fmt.Errorf("the desk writes in epoch %d, as before dev left", after.Epoch)
	}
	if _, err := dev.do("tail", desk); refusedBy(err, "session.ended") != nil {
		return refusedBy(err, "session.ended")
	}
	if _, err = dev.do("login", "dev", "--password-file", dev.home+"/password"); refusedBy(err, "login.refused") != nil {
		return refusedBy(err, "login.refused")
	}
	agent := dev.agent
	dev.agent = nil // nobody asks it any more
	return agent.stop()
}

// deskState is the desk as chancery channel show tells it.
type deskState struct {
	Epoch   uint64     `json:"epoch"`
	Members []struct{} `json:"members"`
}

func (s *story) deskState(p *person) (now deskState, err error) {
	err = p.ask(&now, "channel", "show", desk)
	return now, err
}
