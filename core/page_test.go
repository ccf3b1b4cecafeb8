package core_test

import (
	"strings"
	"testing"

	"chancery/core"
	"chancery/core/coretest"
	"chancery/core/wire"
	"chancery/crypto/envelope"
)

// TestPagesAreBoundedByBytes: whoever asks for 500 large entries gets as many as
// fit 4 MiB, and all of them by going on, by HTTP and on the live socket.
func TestPagesAreBoundedByBytes(t *testing.T) {
	t.Parallel()
	s := coretest.Start(t)
	ann := s.Found(envelope.CaptureOff)
	ann.Enrol()
	team, err := s.CreateTeam(t.Context(), ann.P, wire.NewTeam{Name: "core"})
	s.Must(err)
	c := ann.Open(team.ID, "general", envelope.CaptureOff, nil)
	text := strings.Repeat("x", 60_000)
	for range 80 {
		c.Place(ann, c.Seal(ann, text))
	}
	const most = 4 << 20
	for way, page := range map[string]func(after uint64) (entries [][]byte, more bool){
		"HTTP": func(after uint64) ([][]byte, bool) {
			page, err := s.Entries(t.Context(), ann.P, c.ID, after, 500, core.AllEntries)
			s.Must(err)
			return page.Entries, len(page.Entries) > 0
		},
		"live": func(after uint64) (all [][]byte, more bool) {
			page, err := s.Subscribe(t.Context(), ann.P, c.ID, after)
			s.Must(err)
			for i := range page.Entries {
				all = append(all, envelope.Marshal(&page.Entries[i]))
			}
			return all, page.More
		},
	} {
		pages, at := 0, uint64(0)
		for more := true; more; pages++ {
			var entries [][]byte
			entries, more = page(at)
			size := 0
			for _, raw := range entries {
				p, err := envelope.ParsePlaced(raw)
				s.Must(err)
				if p.Position != at+1 {
					t.Fatalf("%s: entry %d after %d", way, p.Position, at)
				}
				at, size = p.Position, size+len(p.Entry.Header)+len(p.Entry.Payload)
			}
			if size > most {
				t.Errorf("%s: a page of %d bytes", way, size)
			}
		}
		if at != c.State.Position || pages < 2 {
			t.Errorf("%s: %d pages to %d, want more than one to %d", way, pages, at, c.State.Position)
		}
	}
}

// TestPageHasAtLeastOne: an entry larger than a page comes alone.
func TestPageHasAtLeastOne(t *testing.T) {
	t.Parallel()
	s := coretest.Start(t)
	ann := s.Found(envelope.CaptureOff)
	ann.Enrol()
	team, err := s.CreateTeam(t.Context(), ann.P, wire.NewTeam{Name: "core"})
	s.Must(err)
	c := ann.Open(team.ID, "general", envelope.CaptureOff, nil)
	row, _, err := s.DB.Channel(t.Context(), c.ID)
	s.Must(err)
	for after := range c.State.Position {
		page, more, err := s.DB.Entries(t.Context(), row.Number, core.Span{After: after, Limit: 10, Bytes: 1})
		s.Must(err)
		if last := after+1 == c.State.Position; len(page) != 1 || page[0].Position != after+1 || more == last {
			t.Errorf("after %d: %d entries, more %v", after, len(page), more)
		}
	}
}
