package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"chancery/crypto/envelope"
)

// chapters is the main job, in order.
func chapters(messages int) []step {
	return []step{
		{"an organisation: directory, server, signer, root, lists", func(ctx context.Context, s *story) error { return s.found(ctx, s.note) }},
		{"eight people sign in through the directory; each makes a first device", func(_ context.Context, s *story) error { return s.join() }},
		{"a team", func(_ context.Context, s *story) error { return s.team() }},
		{"a recorded channel; its epoch is placed while the recorder is away", func(_ context.Context, s *story) error { return s.openDesk() }},
		{"policy refuses a message that no recorder can open", func(ctx context.Context, s *story) error { return s.notCaptured(ctx) }},
		{"the recorder starts, acknowledges the epoch; the first message is taken", func(_ context.Context, s *story) error { return s.captured() }},
		{fmt.Sprintf("%d messages of real text by three people", messages), func(_ context.Context, s *story) error { return s.talk(messages) }},
		{"a marked sentence and a marked file", then((*story).plantCanary)},
		{"two people read the same texts that were typed", func(_ context.Context, s *story) error { return s.readBack() }},
		{"an edit and a delete", then((*story).revise)},
		{"files of 0 bytes to 20 MB are sent", then((*story).attach)},
		{"a public channel, a direct one; a stranger is told of neither", then((*story).converse)},
		{"a hold that one person orders and another approves", then((*story).hold)},
		{"a second recorded channel, which nobody holds", func(_ context.Context, s *story) error { return s.quote("rates", short...) }},
		{"someone else opens the files, once the recorder has covered them", then((*story).detach)},
		{"the recorder stops: the old epoch goes on, a new one takes nothing, and an alarm", then((*story).recorderAway)},
		{"the recorder is back and catches up", then((*story).recorderBack)},
		{"someone who was removed can't write", then((*story).gone)},
		{"a backup of the database while the server runs", then((*story).backUp)},
		{"the day goes on after the backup: a member, an epoch, messages, a channel", then((*story).goOn)},
		{"a retention run: plan, two persons, the recorder's confirmation, a certificate", then((*story).dispose)},
		{"what went is gone, what is held is not, and why", then((*story).disposed)},
		{"a hold placed after a disposal was approved stops it; a role decides who may plan", then((*story).heldBack)},
		{"an export on an approved schedule, sealed by the recorder, signed, delivered", then((*story).export)},
		{"the auditor verifies the archive offline", then((*story).verify)},
		{"the auditor opens it: every text and file as it was typed", then((*story).convert)},
		{"a second archive continues the first; out of order, or damaged, they are refused", then((*story).continued)},
		{"the server's user can read nobody's keys", then((*story).apart)},
		{"the marks are nowhere that the server could leave them", func(ctx context.Context, s *story) error { return s.searchCanary(ctx, s.archive) }},
		{"the server stops; its database comes back from the backup", then((*story).putBack)},
		{"people, recorder and signer refuse it, each with a reason and a next step", then((*story).refusedByAll)},
		{"the root declares what was lost; the signer adopts the older log", then((*story).declare)},
		{"what is held is readable, what was shredded is not; everybody goes on", then((*story).restored)},
		{"someone is disabled in the directory: off the desk by the server's own key, out of the next epoch", then((*story).depart)},
	}
}

// desk is the recorded channel of the story.
const desk = "trading/fx-desk"

// openDesk makes the channel and adds the desk. Without a recorder its epoch is
// not acknowledged, so creating it times out waiting: that is its report.
func (s *story) openDesk() error {
	fay := s.people["fay"]
	if _, err := fay.do("channel", "create", "fx-desk", "--team", "trading", "--private", "--capture", "required"); err != nil {
		return err
	}
	_, err := fay.do("channel", "add", desk, "ben", "dev", "hal")
	return err
}

// notCaptured goes past fay's own client, which would not even send: the rule
// of the server is what is shown. A file is what a message needs first.
func (s *story) notCaptured(ctx context.Context) error {
	api, err := s.people["fay"].api()
	if err != nil {
		return err
	}
	var shown struct {
		ID envelope.ChannelID `json:"id"`
	}
	if err := s.people["fay"].ask(&shown, "channel", "show", desk); err != nil {
		return err
	}
	_, err = api.Announce(ctx, shown.ID, envelope.Attachment{ID: envelope.BlobID{1}, Size: 29})
	return refusedBy(err, "capture.not_acknowledged")
}

func (s *story) captured() error {
	if err := s.record(); err != nil {
		return err
	}
	return eventually(func() error { return s.say("fay", "good morning, this desk is recorded") })
}

// say posts one message and remembers it.
func (s *story) say(username, text string) error {
	if _, err := s.people[username].chancery([]byte(text), "post", desk); err != nil {
		return err
	}
	s.told = append(s.told, saying{username, text})
	return nil
}

// talk has all speakers post their parts of the conversation at the same time.
// Receipts say in which order it then stands.
func (s *story) talk(n int) error {
	speakers := []string{"fay", "ben", "dev"}
	all, err := conversation(n, speakers)
	if err != nil {
		return err
	}
	placed := make([]map[uint64]saying, len(speakers))
	var g errgroup.Group
	for i, who := range speakers {
		part := slices.DeleteFunc(slices.Clone(all), func(m saying) bool { return m.by != who })
		g.Go(func() (err error) { placed[i], err = s.people[who].recite(part); return err })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	told := map[uint64]saying{}
	for _, part := range placed {
		maps.Copy(told, part)
	}
	if len(told) != n {
		return fmt.Errorf("%d receipts name %d positions", n, len(told))
	}
	for _, position := range slices.Sorted(maps.Keys(told)) {
		s.told = append(s.told, told[position])
	}
	return nil
}

// recite posts one person's part and gives the position of each message.
func (p *person) recite(part []saying) (map[uint64]saying, error) {
	var lines bytes.Buffer
	for _, m := range part {
		b, err := json.Marshal(map[string]string{"text": m.text})
		if err != nil {
			return nil, err
		}
		lines.Write(append(b, '\n'))
	}
	file, err := p.file("talk.jsonl", lines.Bytes())
	if err != nil {
		return nil, err
	}
	out, err := p.do("post", desk, "--from", file)
	if err != nil {
		return nil, err
	}
	receipts, err := decodeAll(out)
	if err != nil || len(receipts) != len(part) {
		return nil, fmt.Errorf("%s: %d receipts for %d messages: %w", p.username, len(receipts), len(part), err)
	}
	placed := map[uint64]saying{}
	for i, r := range receipts {
		placed[r.Position] = part[i]
	}
	return placed, nil
}

// heard is one message as tail prints it.
type heard struct {
	Position uint64 `json:"position"`
	From     string `json:"from"`
	Text     string `json:"text"`
	State    string `json:"state"` // open, edited, deleted, …
}

func (s *story) readBack() error {
	for _, who := range []string{"ben", "dev"} {
		out, err := s.people[who].do("tail", desk)
		if err != nil {
			return err
		}
		if err := s.compare(out); err != nil {
			return fmt.Errorf("%s: %w", who, err)
		}
	}
	return nil
}

// decodeAll reads what tail printed.
func decodeAll(out string) (all []heard, err error) {
	for d := json.NewDecoder(strings.NewReader(out)); d.More(); {
		var h heard
		if err := d.Decode(&h); err != nil {
			return nil, err
		}
		all = append(all, h)
	}
	return all, nil
}

// compare checks that what was read is what was typed, text by text. Deleted
// messages keep their place and nothing else.
func (s *story) compare(out string) error {
	all, err := decodeAll(out)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(h heard) bool { return h.State == "deleted" })
	if len(all) != len(s.told) {
		return fmt.Errorf("%d messages were read, %d typed", len(all), len(s.told))
	}
	for i, h := range all {
		if sum([]byte(h.Text)) != s.told[i].sum() {
			return fmt.Errorf("message %d reads %.60q, typed was %.60q", i, h.Text, s.told[i].text)
		}
	}
	s.note("%d texts equal by SHA-256", len(all))
	return nil
}

// then makes a step of a method.
func then(f func(*story, context.Context) error) func(context.Context, *story) error {
	return func(ctx context.Context, s *story) error { return f(s, ctx) }
}
