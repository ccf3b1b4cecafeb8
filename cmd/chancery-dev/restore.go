package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// yesterday is what a backup of the database holds of the story.
type yesterday struct {
	dir  string // the backup, in the server's home
	told int    // how many messages the desk had
}

// backUp copies the database while the server runs, as docs/operate/backup.md
// says. Vault and files are not in it.
func (s *story) backUp(context.Context) error {
	s.backup = yesterday{filepath.Join(s.host.home, "backup"), len(s.told)}
	_, err := s.sql("pg_basebackup", "-D", s.backup.dir, "--checkpoint=fast")
	return err
}

// goOn is what happens after the backup and will be lost with the database: a
// member, an epoch, messages, a whole channel.
func (s *story) goOn(context.Context) error {
	if _, err := s.people["fay"].do("channel", "add", desk, "hal"); err != nil {
		return err
	}
	for _, who := range []string{"ben", "fay", "dev"} {
		if err := s.say(who, "said after the backup"); err != nil {
			return err
		}
	}
	return s.quote("swaps", "receive 2s10s", "agreed")
}

// putBack replaces the database by the backup. Everything else stays as it is
// today.
func (s *story) putBack(ctx context.Context) error {
	if err := s.server.stop(); err != nil {
		return err
	}
	data := filepath.Join(s.state(), "db", "data")
	if err := os.Rename(data, data+".lost"); err != nil {
		return err
	}
	if _, err := run(s.host.command("/bin/cp", "-a", s.backup.dir, data), nil, []string{"cp"}); err != nil {
		return err
	}
	return s.serve(ctx)
}

// refused shows that nobody goes on with the restored server: people whose
// devices remember more, the recorder, the log's signer. Each says what to do.
func (s *story) refusedByAll(context.Context) error {
	dev := s.people["dev"]
	if err := dev.agent.stop(); err != nil { // what is on disk must do
		return err
	}
	for _, who := range []string{"ben", "fay", "dev"} {
		_, err := s.people[who].do("tail", desk)
		if refusedBy(err, "rolled_back") != nil {
			return fmt.Errorf("%s: %w", who, refusedBy(err, "rolled_back"))
		}
		p, _ := errors.AsType[*problem](err)
		if p.answer.code != 3 {
			return fmt.Errorf("%s: exit %d: %w", who, p.answer.code, err)
		}
		s.note("%s: %s", who, p.Detail)
	}
	if _, err := logged(s.recorder, `"reason":"rolled_back"`); err != nil {
		return err
	}
	line, err := logged(s.server, `the signer has signed a log of \d+ records, there are \d+: records were lost`)
	s.note("recorder: alarm rolled_back; log: %s", line)
	return err
}

// logged waits until a process has said what a pattern fits, and gives it.
func logged(x *process, pattern string) (found string, err error) {
	re := regexp.MustCompile(pattern)
	err = eventually(func() error {
		b, err := os.ReadFile(x.log)
		if err != nil {
			return err
		}
		if found = string(re.Find(b)); found == "" {
			return fmt.Errorf("%s never said %s", x.name, pattern)
		}
		return nil
	})
	return found, err
}

// declare has the signer's keeper adopt the newest note that the server still has,
// and the root sign what was lost of the log and of each channel.
func (s *story) declare(ctx context.Context) error {
	if err := s.adopt(ctx); err != nil {
		return err
	}
	for _, channel := range []string{desk, rates} {
		if err := s.declareLost(channel); err != nil {
			return fmt.Errorf("%s: %w", channel, err)
		}
	}
	return nil
}

func (s *story) adopt(ctx context.Context) error {
	note, err := s.root.do("org", "checkpoint")
	if err != nil {
		return err
	}
	file, err := s.signerParty.file("newest.note", []byte(note))
	if err != nil {
		return err
	}
	if err := s.signer.stop(); err != nil {
		return err
	}
	args := []string{"adopt", "--state", "state", "--note", file}
	a, err := run(s.signerParty.command(s.binary("chancery-signer"), args...), nil, args)
	if err != nil {
		return err
	}
	s.note("signer: %s", trim(a.out))
	if err := s.startSigner(ctx); err != nil {
		return err
	}
	states := adopted.FindStringSubmatch(string(a.out))
	if states == nil {
		return fmt.Errorf("the signer did not say what it adopted: %s", trim(a.out))
	}
	args = []string{"org", "restore", "--was", states[1], "--is", states[2], "--reason", "the disk was lost; restored from the backup of last night"}
	_, err = s.root.do(append(args, s.rootFlags()...)...)
	return err
}

// adopted is what the signer says of the log.
var adopted = regexp.MustCompile(`was (\d+:[0-9a-f]{64}), is (\d+:[0-9a-f]{64})`)

// declareLost asks every device and the recorder what they remember of a
// channel, and has the root declare all of it lost that is not there.
func (s *story) declareLost(channel string) error {
	var newest confirmed
	for _, who := range []string{"fay", "ben", "dev"} {
		_, err := s.people[who].do("channel", "show", channel)
		p, failed := errors.AsType[*problem](err)
		if !failed || p.Code != "rolled_back" {
			continue // not a member, or nothing is lost for this device
		}
		newest.raise(p.Next)
	}
	said, err := os.ReadFile(s.recorder.log)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(said)) {
		if newest.id != "" && strings.Contains(line, newest.id) {
			newest.raise(line)
		}
	}
	if newest.id == "" {
		return nil
	}
	var lost struct{ NewPosition, OldPosition uint64 }
	args := []string{"channel", "restore", newest.id, "--confirmed", newest.ref, "--reason", "the disk was lost; restored from the backup of last night"}
	if err := s.root.ask(&lost, append(args, s.rootFlags()...)...); err != nil {
		return err
	}
	s.note("%s: the root declares %d to %d lost", channel, lost.NewPosition+1, lost.OldPosition)
	return nil
}

// confirmed is the newest entry of a channel that anybody remembers.
type confirmed struct {
	id, ref  string
	position uint64
}

var (
	refPattern     = regexp.MustCompile(`\b(\d+):[0-9a-f]{64}\b`)
	channelPattern = regexp.MustCompile(`channel restore ([0-9a-f]{64})`)
)

// raise takes what a text names, if that is newer.
func (c *confirmed) raise(text string) {
	if m := channelPattern.FindStringSubmatch(text); m != nil {
		c.id = m[1]
	}
	for _, m := range refPattern.FindAllStringSubmatch(text, -1) {
		if position, err := strconv.ParseUint(m[1], 10, 64); err == nil && position > c.position {
			c.position, c.ref = position, m[0]
		}
	}
}

// restored shows what is readable after all: what was held, and nothing of what
// was shredded after the backup. Everybody goes on, and the recorder covers it.
func (s *story) restored(ctx context.Context) error {
	s.told = s.told[:s.backup.told]
	if _, _, err := s.shredded(); err != nil {
		return err
	}
	if err := s.people["dev"].startAgent(); err != nil {
		return err
	}
	before, err := s.root.do("org", "checkpoint")
	if err != nil {
		return err
	}
	for _, who := range []string{"dev", "fay", "ben", "dev"} {
		err := eventually(func() error { return s.say(who, "we go on after the restore") })
		if err != nil {
			return err
		}
	}
	err = eventually(func() error { _, err := s.people["ben"].covered(desk); return err })
	if err != nil {
		return err
	}
	if _, err := logged(s.recorder, `"reason":"restored"`); err != nil {
		return err
	}
	if err := s.dispose(ctx); err != nil {
		return fmt.Errorf("giving the lost orders again: %w", err)
	}
	if err := s.disposed(ctx); err != nil {
		return err
	}
	err = eventually(func() error {
		if after, err := s.root.do("org", "checkpoint"); err != nil || after == before {
			return fmt.Errorf("the log's checkpoint does not move: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.vouched()
}

// vouched shows who besides the server vouches for the log.
func (s *story) vouched() error {
	var shown struct {
		Vouched struct {
			By   string    `json:"by"`
			At   time.Time `json:"at"`
			Size int64     `json:"size"`
		} `json:"vouched"`
	}
	if err := s.people["fay"].ask(&shown, "channel", "show", desk); err != nil {
		return err
	}
	v := shown.Vouched
	if v.By == "" {
		return errors.New("no recorder vouches for the log")
	}
	s.note("the %s vouches for a log of %d records at %s", v.By, v.Size, v.At.Format(time.TimeOnly))
	return nil
}
