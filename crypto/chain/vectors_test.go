package chain

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/suitetest"
	"chancery/crypto/vectors"
)

// The cases of the tests are the vectors: each records the chains that it
// stands on and the entry that it judges. A run of all tests finds the files
// unchanged; TestChainVectors judges what the files say.

// made holds every link that a test made, by its hash.
var made sync.Map

// chainWorld is what many cases stand on: chains, and a channel's entries.
type chainWorld struct {
	Name   string          `json:"name"`
	Org    []vectors.Hex   `json:"org"`
	Users  [][]vectors.Hex `json:"users"`
	Placed []vectors.Hex   `json:"placed"`
}

// chainVector is one entry, judged after a world and what stands here beyond
// it. Users are links of chains that the world starts, or whole chains.
type chainVector struct {
	Name    string          `json:"name"`
	Kind    string          `json:"kind"`
	World   string          `json:"world"`
	Org     []vectors.Hex   `json:"org,omitempty"`
	Users   [][]vectors.Hex `json:"users,omitempty"`
	Placed  []vectors.Hex   `json:"placed,omitempty"`
	Without []vectors.Hex   `json:"without,omitempty"` // users whose chains are not at hand for the last entry
	Entry   vectors.Hex     `json:"entry"`
	Want    string          `json:"want"`
}

var recorded struct {
	sync.Mutex
	cases map[string]chainVector
}

// links gives the encoded links of a chain from one on.
func (w *world) links(s *spine, from int) (list []vectors.Hex) {
	for _, head := range s.heads[from:] {
		b, ok := made.Load(head)
		if !ok {
			w.t.Fatalf("link %s was made by nobody", head)
		}
		list = append(list, b.([]byte))
	}
	return list
}

func newWorld(t tester, name string) *world {
	parts := append(strings.Fields(name), string(suitetest.Suite()))
	w := foundIn(t, envelope.Suite(parts[2]), envelope.Capture(parts[1]))
	if parts[0] == "settled" {
		w.settleAlice()
	}
	w.base = name
	return w
}

// bases holds each world once; nobody changes them.
var bases = map[string]func() *world{}

func init() {
	for _, name := range worldNames {
		bases[name] = sync.OnceValue(func() *world { return newWorld(strict{}, name) })
	}
}

// strict is a tester where nothing may fail.
type strict struct{}

func (strict) Helper()                      {}
func (strict) Fatal(args ...any)            { panic(fmt.Sprint(args...)) }
func (strict) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }
func (strict) Errorf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }

func (w *world) sorted() []*User {
	return slices.SortedFunc(maps.Values(w.users), func(a, b *User) int { return bytes.Compare(a.id[:], b.id[:]) })
}

// recordRefusal keeps a case of a channel whose state follows from its entries,
// which a test that reaches into the validator no longer has.
func (w *world) recordRefusal(e *envelope.Entry, want Reason) {
	t, ok := w.t.(*testing.T)
	last := w.log[len(w.log)-1]
	if !ok || last.Head != w.c.Top || last.Position != uint64(len(w.log)) || len(w.c.members) >= MaxMembers {
		return
	}
	p := envelope.Marshal(w.placed(e))
	sum := envelope.SumBytes(p)
	w.record(fmt.Sprintf("%s %x", t.Name(), sum[:4]), "channel", p, want)
}

// record keeps a case under the name of its test.
func (w *world) record(name, kind string, entry []byte, want Reason) {
	w.t.Helper()
	b := bases[w.base]()
	v := chainVector{Name: name, Kind: kind, World: w.base, Entry: entry, Want: cmp.Or(string(want), "ok")}
	v.Org = w.links(&w.org.spine, len(b.org.heads))
	for _, u := range w.sorted() {
		from := 0
		if before, ok := b.users[u.ID()]; ok {
			from = len(before.heads)
		}
		if more := w.links(&u.spine, from); len(more) > 0 {
			v.Users = append(v.Users, more)
		}
	}
	for _, u := range b.sorted() {
		if _, ok := w.users[u.ID()]; !ok {
			v.Without = append(v.Without, u.id[:])
		}
	}
	for _, p := range w.log[len(b.log):] {
		v.Placed = append(v.Placed, envelope.Marshal(p))
	}
	recorded.Lock()
	defer recorded.Unlock()
	if recorded.cases == nil {
		recorded.cases = map[string]chainVector{}
	}
	recorded.cases[name] = v
}

func TestMain(m *testing.M) {
	code := m.Run()
	whole := flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.skip").Value.String() == ""
	if whole && suitetest.Suite() == envelope.SuiteAge { // the vectors are of organisations in suite age
		if err := keepRecorded(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func keepRecorded() error {
	cases := slices.SortedFunc(maps.Values(recorded.cases), func(a, b chainVector) int { return strings.Compare(a.Name, b.Name) })
	return vectors.Check("chains.json", "one entry (a link for org and user kinds, a placed entry for channels) that is judged after chains and a channel (chains.md, channel.md)", cases)
}

var worldNames = []string{"founded off", "founded required", "founded required fips", "settled off", "settled required", "settled required fips"}

func TestWorldVectors(t *testing.T) {
	t.Parallel()
	if suitetest.Suite() != envelope.SuiteAge {
		t.Skip("the vectors are of organisations in suite age")
	}
	var list []chainWorld
	for _, name := range worldNames {
		w := bases[name]()
		x := chainWorld{Name: name, Org: w.links(&w.org.spine, 0), Placed: []vectors.Hex{}}
		for _, u := range w.sorted() {
			x.Users = append(x.Users, w.links(&u.spine, 0))
		}
		for _, p := range w.log {
			x.Placed = append(x.Placed, envelope.Marshal(p))
		}
		list = append(list, x)
	}
	vectors.Keep(t, "worlds.json", "what cases of chains.json stand on: an organisation's links, users' links, a channel's placed entries; all are good", list)
}

// reader is a validator that knows nothing but the files.
type reader struct {
	org   *Org
	users map[envelope.UserID]*User
	c     *Channel
}

func (r *reader) Org() *Org { return r.org }

func (r *reader) User(id envelope.UserID) (*User, bool) { u, ok := r.users[id]; return u, ok }

// link takes one more link of the organisation or, by its chain, of a user.
func (r *reader) link(b []byte) error {
	e, err := envelope.ParseEntry(b)
	if err != nil {
		return &Refused{Malformed, err}
	}
	l, err := parse(e)
	if err != nil {
		return err
	}
	switch user := r.users[envelope.UserID(l.Chain)]; {
	case user != nil:
		return user.Apply(e)
	case l.Seq > 0:
		return r.org.Apply(e)
	case l.Type == envelope.UserGenesis:
		u, err := NewUser(r.org, e)
		if err == nil {
			r.users[u.ID()] = u
		}
		return err
	}
	r.org, err = NewOrg(e)
	return err
}

func (r *reader) place(b []byte) error {
	p, err := envelope.ParsePlaced(b)
	switch {
	case err != nil:
		return &Refused{Malformed, err}
	case r.c != nil:
		return r.c.Apply(p)
	}
	r.c, err = NewChannel(r, p)
	return err
}

// stand takes what a case stands on, all of which is good.
func (r *reader) stand(org []vectors.Hex, users [][]vectors.Hex, placed []vectors.Hex) error {
	var err error
	for _, b := range slices.Concat(append([][]vectors.Hex{org}, users...)...) {
		err = errors.Join(err, r.link(b))
	}
	for _, b := range placed {
		err = errors.Join(err, r.place(b))
	}
	return err
}

// judge takes the entry of a case as what its kind says.
func (r *reader) judge(v *chainVector) error {
	if strings.HasPrefix(v.Kind, "channel") {
		return r.place(v.Entry)
	}
	e, err := envelope.ParseEntry(v.Entry)
	if err != nil {
		return &Refused{Malformed, err}
	}
	switch v.Kind {
	case "org.genesis":
		_, err = NewOrg(e)
	case "org.link":
		err = r.org.Apply(e)
	case "user.genesis":
		_, err = NewUser(r.org, e)
	case "user.link": // of alice, who made the channel of the worlds
		err = r.users[alice(r)].Apply(e)
	}
	return err
}

// alice is the user whose device is alice's.
func alice(r *reader) envelope.UserID {
	for id, u := range r.users {
		if _, ok := u.DeviceAt(key("alice's device").ID(), 0); ok {
			return id
		}
	}
	return envelope.UserID{}
}

func TestChainVectors(t *testing.T) {
	t.Parallel()
	worlds := map[string]chainWorld{}
	for _, w := range vectors.Load[chainWorld](t, "worlds.json") {
		worlds[w.Name] = w
	}
	refusals := map[string]int{}
	for _, v := range vectors.Load[chainVector](t, "chains.json") {
		r := &reader{users: map[envelope.UserID]*User{}}
		w := worlds[v.World]
		if err := errors.Join(r.stand(w.Org, w.Users, w.Placed), r.stand(v.Org, v.Users, v.Placed)); err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		for _, id := range v.Without {
			delete(r.users, envelope.UserID(id))
		}
		err := r.judge(&v)
		if got := cmp.Or(string(ReasonOf(err)), "ok"); got != v.Want {
			t.Errorf("%s: %v, want %s", v.Name, err, v.Want)
		}
		refusals[v.Want]++
	}
	for _, reason := range []Reason{Malformed, WrongChain, Broken, BrokenOrder, BadSignature, NotListed, NotMember, NotAllowed, DeviceUnknown, HeadUnknown,
		EpochNone, EpochNotCurrent, EpochExpired, EpochBad, RotationDue, CounterBad, SeenBad, SuiteBad, CaptureBad, KeyBad, Duplicate, CoverageBad, RestoreBad, HandoverBad} {
		if refusals[string(reason)] == 0 {
			t.Errorf("no case of %s", reason)
		}
	}
}
