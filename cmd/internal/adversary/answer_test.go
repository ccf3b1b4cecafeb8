package adversary

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"

	"chancery/cmd/internal/client"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
)

// answers bends every answer of a route that succeeds.
func answers[T any](s *server, route string, bend func(asked, *T)) {
	s.lay(seam{route, func(w http.ResponseWriter, r asked, next http.Handler) {
		got := ask(next, r.Request)
		if got.Code >= 300 {
			give(w, got, got.Body.Bytes())
			return
		}
		give(w, got, changed(s, got.Body.Bytes(), func(v *T) { bend(r, v) }))
	}})
}

// refusals bends every answer of a route that fails.
func refusals(s *server, route string, bend func(asked, *client.Problem)) {
	s.lay(seam{route, func(w http.ResponseWriter, r asked, next http.Handler) {
		got := ask(next, r.Request)
		body := got.Body.Bytes()
		if got.Code >= 300 {
			body = changed(s, body, func(p *client.Problem) { bend(r, p); got.Code = p.Status })
		}
		give(w, got, body)
	}})
}

// ask has next answer into memory.
func ask(next http.Handler, r *http.Request) *httptest.ResponseRecorder {
	got := httptest.NewRecorder()
	next.ServeHTTP(got, r)
	return got
}

func changed[T any](s *server, body []byte, change func(*T)) []byte {
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		s.t.Errorf("reading %T: %v", v, err)
	}
	change(&v)
	out, err := json.Marshal(v)
	if err != nil {
		s.t.Errorf("writing %T: %v", v, err)
	}
	return out
}

func give(w http.ResponseWriter, got *httptest.ResponseRecorder, body []byte) {
	for name, values := range got.Header() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(got.Code)
	_, _ = w.Write(body)
}

// pages bends the entries of a channel on their way to one client: a page is
// decoded, changed and encoded again.
func (d *desk) pages(to string, bend func([]envelope.Placed) []envelope.Placed) {
	d.entries(to, func(page *wire.Entries) {
		page.Entries = encode(bend(decode(d.server, page.Entries)))
	})
}

// entries bends what one client is told of a channel, where it ends included.
func (d *desk) entries(to string, bend func(*wire.Entries)) {
	answers(d.server, getEntries, func(r asked, page *wire.Entries) {
		if r.by == to && r.channel == d.id {
			bend(page)
		}
	})
}

func decode(s *server, raw [][]byte) []envelope.Placed {
	out := make([]envelope.Placed, len(raw))
	for i, b := range raw {
		p, err := envelope.ParsePlaced(b)
		if err != nil {
			s.t.Errorf("reading a page: %v", err)
			continue
		}
		out[i] = *p
	}
	return out
}

func encode(placed []envelope.Placed) [][]byte {
	out := make([][]byte, len(placed))
	for i := range placed {
		out[i] = envelope.Marshal(&placed[i])
	}
	return out
}

// tell shows one client another history: the channel's entries as change has
// them, given places and heads anew.
func (d *desk) tell(to string, change func([]envelope.Placed) []envelope.Placed) {
	d.serves(to, func() []envelope.Placed { return change(d.history()) })
}

func (d *desk) serves(to string, history func() []envelope.Placed) {
	d.lay(seam{getEntries, func(w http.ResponseWriter, r asked, next http.Handler) {
		if r.by != to || r.channel != d.id {
			next.ServeHTTP(w, r.Request)
			return
		}
		told := d.replaced(history())
		last := told[len(told)-1]
		page := wire.Entries{Entries: [][]byte{}, Position: last.Position, Head: last.Head}
		after, _ := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
		for i := range told {
			if told[i].Position > after && (r.URL.Query().Get("kind") == "" || told[i].Entry.Kind != envelope.KindMessage) {
				page.Entries = append(page.Entries, envelope.Marshal(&told[i]))
			}
		}
		_ = json.NewEncoder(w).Encode(page)
	}})
}

// replaced gives every entry the place and head that follow from those before.
func (d *desk) replaced(placed []envelope.Placed) []envelope.Placed {
	top, received := chain.StartHead(d.id), int64(0)
	for i := range placed {
		p := &placed[i]
		p.Position, p.Received = uint64(i)+1, max(p.Received, received)
		p.Payload = payload(p)
		p.Head = envelope.NextHead(top, p.Position, p.Received, p.Hash())
		top, received = p.Head, p.Received
	}
	return placed
}

func payload(p *envelope.Placed) envelope.Hash {
	if p.Disposed() {
		return p.Payload
	}
	return envelope.SumBytes(p.Entry.Payload)
}

func jsonOf(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
