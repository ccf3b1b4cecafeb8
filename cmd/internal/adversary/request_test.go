package adversary

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"chancery/cmd/internal/client/session"
	"chancery/crypto/envelope"
)

// requests bends what is asked on a route before the server sees it. What bend
// gives is the answer instead of the server's; nil passes the request on.
func requests[T any](s *server, route string, bend func(asked, *T) any) {
	s.lay(seam{route, func(w http.ResponseWriter, r asked, next http.Handler) {
		var in T
		if err := json.Unmarshal(read(r.Request), &in); err != nil {
			s.t.Errorf("reading %T: %v", in, err)
		}
		if out := bend(r, &in); out != nil {
			_ = json.NewEncoder(w).Encode(out)
			return
		}
		body, err := json.Marshal(in)
		if err != nil {
			s.t.Errorf("writing %T: %v", in, err)
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		next.ServeHTTP(w, r.Request)
	}})
}

// drops loses the answer of a route, once the server has done what was asked.
func drops(s *server, route string, when func(asked) bool) {
	s.lay(seam{route, func(w http.ResponseWriter, r asked, next http.Handler) {
		lost := when(r)
		if got := ask(next, r.Request); !lost {
			give(w, got, got.Body.Bytes())
			return
		}
		panic(http.ErrAbortHandler)
	}})
}

// repeats asks the server everything on a route twice, and gives its second
// answer.
func repeats(s *server, route string) {
	s.lay(seam{route, func(w http.ResponseWriter, r asked, next http.Handler) {
		body := read(r.Request)
		ask(next, r.Request)
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r.Request)
	}})
}

// An answer is lost, a request arrives twice, or those of two people arrive in
// another order: what each typed stands once.
func TestAttack58RequestsLostAndRepeated(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.ann, "first")
		d.shows(d.bob, "first")
		switch d.lie {
		case "lost":
			d.loseNext(d.bob)
			d.says("bob posting", d.bob.post(d.id, "second"), session.ErrQueued)
			d.heal()
		case "lost in a crash":
			d.loseNext(d.bob)
			d.says("bob posting", d.bob.post(d.id, "second"), session.ErrQueued)
			d.heal()
			d.must(d.bob.again(false))
		case "repeated":
			repeats(d.server, postEntry)
			d.must(d.bob.post(d.id, "second"))
		default:
			d.must(d.bob.post(d.id, "second"))
		}
		d.must(d.bob.post(d.id, "third"))
		d.shows(d.carol, "first second third")
		d.shows(d.bob, "first second third")
		if n := len(d.sent("bob", d.id, envelope.KindMessage)); n != 2 {
			d.t.Errorf("bob has sealed %d messages for 2", n)
		}
	}, "lost", "lost in a crash", "repeated")
}

// loseNext loses the answers to what somebody posts from now on.
func (d *desk) loseNext(p *person) {
	drops(d.server, postEntry, func(r asked) bool { return r.by == p.name })
}

// Two people's messages reach the server in another order than they were sent.
func TestAttack21RequestsReordered(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.ann, "first")
		d.shows(d.bob, "first")
		d.shows(d.carol, "first")
		if d.attacked {
			arrived, passed := make(chan struct{}), make(chan struct{})
			d.lay(seam{postEntry, func(w http.ResponseWriter, r asked, next http.Handler) {
				if r.by == "bob" {
					close(arrived)
					<-passed
				}
				next.ServeHTTP(w, r.Request)
			}})
			done := make(chan error, 1)
			go func() { done <- d.bob.post(d.id, "bob's") }()
			<-arrived
			d.must(d.carol.post(d.id, "carol's"))
			close(passed)
			d.must(<-done)
			d.shows(d.ann, "first carol's bob's")
			d.shows(d.bob, "first carol's bob's")
			return
		}
		d.must(d.bob.post(d.id, "bob's"))
		d.must(d.carol.post(d.id, "carol's"))
		d.shows(d.ann, "first bob's carol's")
	})
}
