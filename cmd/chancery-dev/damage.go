package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"chancery/cmd/internal/client"
	"chancery/crypto/envelope"
)

// message is one that tail printed.
type message struct {
	Position uint64 `json:"position"`
	Username string `json:"username"`
	Text     string `json:"text"`
	State    string `json:"state"`
	Captured bool   `json:"captured"`
}

// inspect looks at the desk after the storm.
func (s *story) inspect(ctx context.Context, w *weather) error {
	all, err := s.agreed()
	if err != nil {
		return err
	}
	if err := w.check(all[1:]); err != nil { // the first message came before the storm
		return err
	}
	n, err := s.dense(ctx)
	if err != nil {
		return err
	}
	s.note("%d messages, %d entries without a gap; four people read the same", len(all), n)
	if err := eventually(func() error { return w.followed(all) }); err != nil {
		return fmt.Errorf("hal, who watched all the time: %w", err)
	}
	return w.follower.stop()
}

// agreed is what all four members read, once the recorder has covered it all.
func (s *story) agreed() ([]message, error) {
	var all []message
	var head string
	for _, who := range []string{"fay", "ben", "dev", "hal"} {
		var own []message
		err := eventually(func() (err error) { own, err = s.people[who].covered(desk); return err })
		if err != nil {
			return nil, fmt.Errorf("%s: %w", who, err)
		}
		if all != nil && !slices.Equal(all, own) {
			return nil, fmt.Errorf("%s reads %d messages, others %d, or they differ", who, len(own), len(all))
		}
		var shown struct {
			Head     string `json:"head"`
			Position uint64 `json:"position"`
		}
		if err := s.people[who].ask(&shown, "channel", "show", desk); err != nil {
			return nil, err
		}
		if at := fmt.Sprint(shown.Position, " ", shown.Head); head == "" {
			head = at
		} else if head != at {
			return nil, fmt.Errorf("%s is at %s, others at %s", who, at, head)
		}
		all = own
	}
	return all, nil
}

// covered is what the person reads, if the recorder has covered all of it.
func (p *person) covered(channel string) ([]message, error) {
	out, err := p.do("tail", channel)
	if err != nil {
		return nil, err
	}
	all, err := messages(out)
	for _, m := range all {
		if err == nil && !m.Captured {
			err = fmt.Errorf("the recorder has not covered position %d", m.Position)
		}
	}
	return all, err
}

// messages parses what tail printed. A line that is still being written is left
// out.
func messages(out string) (all []message, err error) {
	for d := json.NewDecoder(strings.NewReader(out)); ; {
		var m message
		switch err := d.Decode(&m); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return all, nil
		case err != nil:
			return nil, err
		}
		all = append(all, m)
	}
}

// check holds what was read against what was posted.
func (w *weather) check(all []message) error {
	at, seen, newest := map[uint64]message{}, map[string]uint64{}, map[string]string{}
	by := map[string]*talker{}
	for _, t := range w.talkers {
		by[t.username] = t
	}
	for _, m := range all {
		t := by[m.Username]
		switch {
		case m.State != "open":
			return fmt.Errorf("position %d is %s", m.Position, m.State)
		case t == nil || !t.tried[m.Text]:
			return fmt.Errorf("position %d: %s never posted %q", m.Position, m.Username, m.Text)
		case seen[m.Text] != 0:
			return fmt.Errorf("%q stands at %d and at %d", m.Text, seen[m.Text], m.Position)
		case m.Text < newest[m.Username]: // the numbers have leading zeros, and "is" comes before "says"
			if !strings.HasSuffix(m.Text, " is done") {
				return fmt.Errorf("position %d: %q after %q", m.Position, m.Text, newest[m.Username])
			}
		}
		at[m.Position], seen[m.Text], newest[m.Username] = m, m.Position, m.Text
	}
	for _, t := range w.talkers {
		for position, text := range t.placed {
			if m := at[position]; m.Text != text || m.Username != t.username {
				return fmt.Errorf("lost: %q was acknowledged at %d, where there is %q", text, position, m.Text)
			}
		}
	}
	return nil
}

// followed holds what tail -f printed against what is there.
func (w *weather) followed(all []message) error {
	b, err := os.ReadFile(w.follower.log)
	if err != nil {
		return err
	}
	live, err := messages(onlyJSON(string(b)))
	if err != nil {
		return err
	}
	if len(live) != len(all) {
		return fmt.Errorf("tail -f printed %d messages of %d", len(live), len(all))
	}
	for i, m := range live {
		if m.Position != all[i].Position || m.Text != all[i].Text {
			return fmt.Errorf("tail -f printed position %d (%q), there is %d (%q)", m.Position, m.Text, all[i].Position, all[i].Text)
		}
	}
	return nil
}

// onlyJSON leaves out what a program has noted for people.
func onlyJSON(log string) string {
	var kept strings.Builder
	for line := range strings.Lines(log) {
		if strings.HasPrefix(line, "{") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// dense walks every entry of the desk: positions rise by one from 1 to the
// newest. It gives how many there are.
func (s *story) dense(ctx context.Context) (uint64, error) {
	fay := s.people["fay"]
	var shown struct {
		ID envelope.ChannelID `json:"id"`
	}
	if err := fay.ask(&shown, "channel", "show", desk); err != nil {
		return 0, err
	}
	api, err := fay.api()
	if err != nil {
		return 0, err
	}
	defer api.Close()
	for last := uint64(0); ; {
		page, err := api.Entries(ctx, shown.ID, client.Page{After: last, Limit: 500})
		if err != nil {
			return 0, err
		}
		for _, raw := range page.Entries {
			var p envelope.Placed
			if err := envelope.Unmarshal(raw, &p); err != nil {
				return 0, err
			}
			if p.Position != last+1 {
				return 0, fmt.Errorf("position %d follows %d", p.Position, last)
			}
			last = p.Position
		}
		if last == page.Position {
			return last, nil
		}
		if len(page.Entries) == 0 {
			return 0, fmt.Errorf("nothing follows %d, though the channel is at %d", last, page.Position)
		}
	}
}
