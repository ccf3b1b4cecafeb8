package retention

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"chancery/crypto/envelope"
)

const day = 24 * 3600

func rule(id string, channel envelope.ChannelID, minimum, maximum uint64) Rule {
	return Rule{Order: envelope.RuleOrder{ID: id, Channel: channel, MinRetain: minimum, MaxRetain: maximum}}
}

func only(channels ...*Channel) iter.Seq2[*Channel, error] {
	return func(yield func(*Channel, error) bool) {
		for _, c := range channels {
			if !yield(c, nil) {
				return
			}
		}
	}
}

func at(days int64) Clock {
	return Clock{Database: days * day * 1e6, Newest: Point{1, days * day * 1e6}, Watch: Watch{Last: days * day * 1e6}}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	own, other := envelope.ChannelID{1}, envelope.ChannelID{2}
	m := &Message{Position: 5, Author: envelope.UserID{7}}
	hold := Hold{ID: envelope.Hash{9}}
	for name, c := range map[string]struct {
		rules []Rule
		holds []Hold
		days  int64
		code  string
		due   bool
	}{
		"no rule keeps":               {nil, nil, 1000, None, false},
		"maximum ends":                {[]Rule{rule("a", own, 0, 10*day)}, nil, 10, RetentionMax, true},
		"maximum not yet":             {[]Rule{rule("a", own, 0, 10*day)}, nil, 9, RetentionMax, false},
		"hold beats maximum":          {[]Rule{rule("a", own, 0, 10*day)}, []Hold{hold}, 10, HoldActive, true},
		"longest minimum beats":       {[]Rule{rule("a", own, 0, 10*day), rule("b", envelope.ChannelID{}, 20*day, 0)}, nil, 15, RetentionMin, false},
		"minimum over":                {[]Rule{rule("a", own, 0, 10*day), rule("b", envelope.ChannelID{}, 20*day, 0)}, nil, 20, RetentionMin, true},
		"specific beats shorter":      {[]Rule{rule("a", own, 0, 30*day), rule("b", envelope.ChannelID{}, 0, 10*day)}, nil, 20, RetentionMax, false},
		"specific for ever":           {[]Rule{rule("a", own, 0, 0), rule("b", envelope.ChannelID{}, 0, 10*day)}, nil, 20, None, false},
		"other channel is not asked":  {[]Rule{rule("a", other, 0, 10*day)}, nil, 20, None, false},
		"shortest of one scope":       {[]Rule{rule("a", own, 0, 30*day), rule("b", own, 0, 10*day)}, nil, 10, RetentionMax, true},
		"minimum alone keeps on":      {[]Rule{rule("a", own, 10*day, 0)}, nil, 20, None, false},
		"huge maximum can't overflow": {[]Rule{rule("a", own, 0, math.MaxUint64-1)}, nil, 20, RetentionMax, false},
	} {
		l := &Law{Rules: c.rules, Holds: c.holds}
		_, horizon := ptr(at(c.days)).Horizon()
		v := l.Judge(&Channel{ID: own}, m, horizon)
		if v.Code != c.code || v.Due(horizon) != c.due {
			t.Errorf("%s: got %+v, want %s due %v", name, v, c.code, c.due)
		}
	}
}

func ptr[T any](v T) *T { return &v }

func TestHorizon(t *testing.T) {
	t.Parallel()
	now, hour := int64(1_800_000_000_000_000), time.Hour.Microseconds()
	year := 365 * 24 * hour
	run := func(w Watch, hours int64) Watch { // a server that looks as it should
		for range hours * 6 {
			w = w.Look(w.Last + beat.Microseconds())
		}
		return w
	}
	steps := Watch{}.Look(now)
	for range 100 {
		steps = run(steps.Look(steps.Last+47*hour), 1)
	}
	fresh := Watch{}.Look(now)
	jumped := fresh.Look(now + 10*year)
	for name, c := range map[string]struct {
		watch Watch
		want  int64
	}{
		"first look":                {fresh, now},
		"ran for a year":            {run(fresh, 365*24), now + year},
		"down for a weekend":        {fresh.Look(now + 47*hour), now + 47*hour},
		"jumped ten years":          {jumped, now},
		"and ran for a day":         {run(jumped, 24), now + 2*24*hour},
		"and was put right":         {jumped.Look(now + hour/2), now + hour/2},
		"down for four days":        {fresh.Look(now + 96*hour), now},
		"and ran for two":           {run(fresh.Look(now+96*hour), 48), now + 144*hour},
		"47 hours, a hundred times": {steps, now + 200*hour},
	} {
		clock := Clock{Database: c.watch.Last, Newest: Point{9, c.watch.Last}, Watch: c.watch}
		if _, got := clock.Horizon(); got != c.want {
			t.Errorf("%s: got %d hours, want %d", name, (got-now)/hour, (c.want-now)/hour)
		}
	}
	for name, clock := range map[string]Clock{
		"database is behind":       {now, Point{9, now + year}, Watch{Last: now + year}},
		"signer is behind":         {now + year, Point{9, now}, Watch{Last: now + year}},
		"jumped since it was seen": {now + year, Point{9, now + year}, fresh},
		"quiet while time is owed": {now + year - hour, Point{9, now + year - hour}, Watch{now + year, year}},
	} {
		if _, got := clock.Horizon(); got != now {
			t.Errorf("%s: got %d", name, got)
		}
	}
	if _, got := (&Clock{Database: now, Watch: fresh}).Horizon(); got != 0 {
		t.Errorf("nothing was ever signed: got %d", got)
	}
}

// oracle says in the plainest way which messages go.
func oracle(l *Law, c *Channel, horizon int64) map[uint64]bool {
	family := func(i int) (all []int) {
		root := func(k int) uint64 {
			for c.Messages[k].Target != 0 {
				k = slices.IndexFunc(c.Messages, func(m Message) bool { return m.Position == c.Messages[k].Target })
			}
			return c.Messages[k].Position
		}
		for k := range c.Messages {
			if root(k) == root(i) && !c.Messages[k].Disposed {
				all = append(all, k)
			}
		}
		return all
	}
	out := map[uint64]bool{}
	for i := range c.Messages {
		goes := !c.Messages[i].Disposed
		for _, k := range family(i) {
			m := c.Messages[k]
			var minimum, own, global uint64
			hasOwn := false
			for _, r := range l.Rules {
				o := r.Order
				switch o.Channel {
				case c.ID:
					hasOwn = true
					if o.MaxRetain > 0 && (own == 0 || o.MaxRetain < own) {
						own = o.MaxRetain
					}
				case envelope.ChannelID{}:
					if o.MaxRetain > 0 && (global == 0 || o.MaxRetain < global) {
						global = o.MaxRetain
					}
				default:
					continue
				}
				minimum = max(minimum, o.MinRetain)
			}
			end := global
			if hasOwn {
				end = own
			}
			goes = goes && end != 0 && m.Received+int64(max(end, minimum))*1e6 <= horizon && m.Position <= c.Covered
			for _, h := range l.Holds {
				o := h.Order
				member := false
				for _, x := range c.Members {
					member = member || slices.Contains(o.Users, x.User) && x.From <= m.Position && m.Position <= x.To
				}
				in := (len(o.Channels) == 0 || slices.Contains(o.Channels, c.ID)) && m.Received >= o.From && (o.To == 0 || m.Received <= o.To) &&
					(len(o.Users) == 0 || member || slices.Contains(o.Users, m.Author))
				goes = goes && !in
			}
		}
		if goes {
			out[c.Messages[i].Position] = true
		}
	}
	return out
}

// TestPlanAgainstOracle compares plans with the plain reading on random facts.
func TestPlanAgainstOracle(t *testing.T) {
	t.Parallel()
	gone := 0
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		law, c := world(r)
		clock := at(int64(r.IntN(60)))
		p, err := Make(law, clock, only(c))
		if err != nil {
			t.Fatal(err)
		}
		want := oracle(law, c, p.Horizon)
		got := map[uint64]bool{}
		for _, x := range p.Ranges {
			n := uint64(0)
			for _, m := range c.Messages {
				if x.From <= m.Position && m.Position <= x.To {
					got[m.Position] = true
					n++
				}
			}
			if n != x.Messages {
				t.Fatalf("seed %d: range %+v holds %d messages", seed, x, n)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("seed %d: got %v, want %v", seed, got, want)
		}
		gone += len(got)
	}
	if gone < 1000 {
		t.Fatalf("only %d messages went: the worlds are too kind", gone)
	}
}

// world makes random facts about one channel.
func world(r *rand.Rand) (*Law, *Channel) {
	c := &Channel{ID: envelope.ChannelID{1}, Covered: uint64(r.IntN(60))}
	if r.IntN(3) == 0 {
		c.Covered = math.MaxUint64
	}
	user := func() envelope.UserID { return envelope.UserID{byte(1 + r.IntN(4))} }
	for range r.IntN(4) {
		from := uint64(1 + r.IntN(40))
		c.Members = append(c.Members, Membership{user(), from, from + uint64(r.IntN(20))})
	}
	position, received := uint64(1), int64(0)
	for range r.IntN(25) {
		position += 1 + uint64(r.IntN(2))
		received += int64(r.IntN(3)) * day * 1e6
		m := Message{Position: position, Received: received, Author: user(), Entry: envelope.Hash{byte(position)}}
		if n := len(c.Messages); n > 0 && r.IntN(4) == 0 {
			m.Target = c.Messages[r.IntN(n)].Position
		}
		c.Messages = append(c.Messages, m)
	}
	// What went before went as a family.
	if len(c.Messages) > 0 && r.IntN(2) == 0 {
		roots := Roots(c.Messages)
		root := roots[r.IntN(len(roots))]
		for i := range c.Messages {
			c.Messages[i].Disposed = roots[i] == root
		}
	}
	law := new(Law)
	for i := range r.IntN(4) {
		channel := []envelope.ChannelID{{}, {1}, {2}}[r.IntN(3)]
		law.Rules = append(law.Rules, rule(fmt.Sprint(i), channel, uint64(r.IntN(20))*day*uint64(r.IntN(2)), uint64(r.IntN(20))*day))
	}
	if r.IntN(2) == 0 {
		h := envelope.HoldOrder{From: int64(r.IntN(20)) * day * 1e6}
		if r.IntN(2) == 0 {
			h.Users = []envelope.UserID{user()}
		}
		if r.IntN(2) == 0 {
			h.Channels = []envelope.ChannelID{{byte(1 + r.IntN(2))}}
		}
		if r.IntN(2) == 0 {
			h.To = h.From + int64(r.IntN(20))*day*1e6
		}
		law.Holds = append(law.Holds, Hold{ID: envelope.Hash{1}, Order: h})
	}
	return law, c
}

// The same facts make the same bytes, and their counts add up.
func TestPlanIsPure(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		law, c := world(rand.New(rand.NewPCG(seed, 1)))
		a, _ := Make(law, at(40), only(c))
		slices.Reverse(law.Rules)
		b, _ := Make(law, at(40), only(c))
		if string(envelope.Marshal(a)) != string(envelope.Marshal(b)) {
			t.Fatalf("seed %d: %+v and %+v", seed, a, b)
		}
	}
}
