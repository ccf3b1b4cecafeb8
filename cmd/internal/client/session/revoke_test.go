package session

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"chancery/cmd/internal/client"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/keyring"
	"chancery/crypto/seal"
	"chancery/crypto/suitetest"
)

// phone is a second device of p's, taken in by the first.
func (h *honest) phone(p *person) *person {
	h.t.Helper()
	ctx := context.Background()
	x := &person{dir: h.t.TempDir()}
	ring, err := keyring.Create(x.dir+"/ring", "test", keyring.Cheap(), keyring.Suite(suitetest.Suite()))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { x.Ring.Close() })
	h.open(x, ring, p.Me.Chain.String())
	u, err := p.Dir.RefreshUser(ctx, p.Me.Chain)
	if err != nil {
		h.t.Fatal(err)
	}
	seed, err := p.newestSeed(ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	c := seal.UserSeedContext{Org: h.org.ID(), Device: x.Device(), Generation: u.Generation()}
	wrap, err := seal.WrapUserSeed(suitetest.Suite(), seed, c, x.identity.Recipient())
	if err != nil {
		h.t.Fatal(err)
	}
	body := x.deviceBody("phone", wrap)
	e := p.nextOwn(u, envelope.DeviceAdd, &body)
	seal.SignEntry(e, x.device)
	h.users[p.Me.Chain].wraps[x.Device()] = wrap
	if err := p.API.ExtendChain(ctx, wire.NewLink{Entry: envelope.Marshal(e)}); err != nil {
		h.t.Fatal(err)
	}
	if err := x.Bind(ctx); err != nil {
		h.t.Fatal(err)
	}
	return x
}

// refuse has the server deny what a test names, with no final word.
func (h *honest) refuse(which func(*envelope.Link) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.deny = func(e *envelope.Entry) *client.Problem {
		if l, err := envelope.ParseLink(e); err == nil && which != nil && which(l) {
			return &client.Problem{Status: http.StatusForbidden, Code: "denied", Detail: "not now"}
		}
		return nil
	}
}

func isSync(l *envelope.Link) bool { return l.Type == envelope.Sync }

// TestDeviceRevoked: the revoked device is out of the channel, the others read
// what was said before and after, and so does one that comes later.
func TestDeviceRevoked(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHonest(t)
	alice, bob := h.join(), h.join()
	c := channel(t, alice)
	if err := c.Add(ctx, bob.Me.Chain, envelope.RankMember); err != nil {
		t.Fatal(err)
	}
	phone := h.phone(bob)
	post(t, c, "before")
	lost := phone.see(t, c.ID())
	post(t, lost, "from the phone")
	if err := bob.RevokeDevice(ctx, bob.Device()); !errors.Is(err, ErrLastDevice) {
		t.Errorf("revoking oneself: %v", err)
	}
	if err := bob.RevokeDevice(ctx, phone.Device()); err != nil {
		t.Fatal(err)
	}
	if e, _ := h.channels[c.ID()].chain.Current(); e.Body.Cause != envelope.CauseDevice {
		t.Errorf("the channel's epoch has cause %q", e.Body.Cause)
	}
	if _, err := lost.Post(ctx, Draft{Kind: envelope.Post, Text: "and again"}); err == nil {
		t.Error("the phone still posts")
	}
	post(t, c, "after")
	want := "before/open from the phone/open after/open"
	for name, who := range map[string]*person{"laptop": bob, "a device that came later": h.phone(bob)} {
		if got := texts(t, who.see(t, c.ID())); got != want {
			t.Errorf("%s reads %q, want %q", name, got, want)
		}
	}
	if err := phone.Bind(ctx); !errors.Is(err, ErrRevoked) {
		t.Errorf("the phone is told %v", err)
	}
}

// TestAttack08KnownHeadStopsSending: a client that knows of a renewed key which
// the server keeps from the channel sends nothing there, until its own sync is
// taken and the epoch is new.
func TestAttack08KnownHeadStopsSending(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHonest(t)
	alice, bob := h.join(), h.join()
	c := channel(t, alice)
	if err := c.Add(ctx, bob.Me.Chain, envelope.RankMember); err != nil {
		t.Fatal(err)
	}
	post(t, c, "before")
	h.refuse(isSync)
	if err := bob.RenewKey(ctx); err != nil {
		t.Fatal(err)
	}
	post(t, c, "alice does not know")
	if _, err := alice.Dir.RefreshUser(ctx, bob.Me.Chain); err != nil { // from another channel, say
		t.Fatal(err)
	}
	before := h.channels[c.ID()].chain.Position
	if _, err := c.Post(ctx, Draft{Kind: envelope.Post, Text: "now she does"}); !errors.Is(err, ErrNotTold) {
		t.Errorf("posting past a hidden head: %v", err)
	}
	if at := h.channels[c.ID()].chain.Position; at != before {
		t.Errorf("%d entries were placed", at-before)
	}
	h.refuse(nil)
	post(t, c, "told")
	if m, _ := h.channels[c.ID()].chain.Member(bob.Me.Chain); m.UserSeq != 1 {
		t.Errorf("the channel knows link %d", m.UserSeq)
	}
	if e, _ := h.channels[c.ID()].chain.Current(); e.Body.Cause != envelope.CauseDevice || generation(e, bob.Me.Chain) != 2 {
		t.Errorf("sealed in an epoch of cause %q, for generation %d", e.Body.Cause, generation(e, bob.Me.Chain))
	}
}

// TestAttack08RevokedDeviceNotShown: while the server keeps a revocation from the
// channel, whoever knows of it is shown nothing of that device, and all of others.
func TestAttack08RevokedDeviceNotShown(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHonest(t)
	alice, bob := h.join(), h.join()
	c := channel(t, alice)
	if err := c.Add(ctx, bob.Me.Chain, envelope.RankMember); err != nil {
		t.Fatal(err)
	}
	phone := h.phone(bob)
	theirs := phone.see(t, c.ID())
	post(t, c, "hello")
	post(t, theirs, "from the phone")
	h.refuse(isSync)
	if err := bob.RevokeDevice(ctx, phone.Device()); err != nil {
		t.Fatal(err)
	}
	post(t, theirs, "from the thief")
	if _, err := alice.Dir.RefreshUser(ctx, bob.Me.Chain); err != nil {
		t.Fatal(err)
	}
	if got, want := texts(t, c), "hello/open /withheld /withheld"; got != want {
		t.Errorf("alice reads %q, want %q", got, want)
	}
	h.refuse(nil)
	post(t, c, "told")
	if got := texts(t, c); !strings.HasSuffix(got, "told/open") || strings.Contains(got, "withheld") {
		t.Errorf("alice reads %q", got)
	}
}

// TestAttack22RestoredState: a device whose state is that of a copy finds its own
// later messages, and says nothing more.
func TestAttack22RestoredState(t *testing.T) {
	t.Parallel()
	h := newHonest(t)
	alice := h.join()
	c := channel(t, alice)
	post(t, c, "one")
	h.restart(alice, true)
	copied := copyRing(t, alice.dir)
	post(t, alice.see(t, c.ID()), "two")
	alice.dir = copied
	h.restart(alice, true)
	before := h.channels[c.ID()].chain.Position
	restored := alice.see(t, c.ID())
	for range 2 {
		if _, err := restored.Post(context.Background(), Draft{Kind: envelope.Post, Text: "another two"}); !errors.Is(err, ErrRestored) {
			t.Errorf("posting from a restored state: %v", err)
		}
	}
	if at := h.channels[c.ID()].chain.Position; at != before {
		t.Error("something was placed")
	}
	if got, want := texts(t, restored), "one/open two/open"; got != want {
		t.Errorf("reads %q, want %q", got, want)
	}
}

// copyRing copies a person's keyring as it is on disk now.
func copyRing(t *testing.T, dir string) string {
	t.Helper()
	copied := t.TempDir()
	if err := os.Mkdir(copied+"/ring", 0o700); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir + "/ring")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(dir + "/ring/" + f.Name())
		if err == nil {
			err = os.WriteFile(copied+"/ring/"+f.Name(), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return copied
}

// TestAttack50ForeignSeed: the server hands a device another seed than the one
// that the person's chain names, wrapped to it by whomever.
func TestAttack50ForeignSeed(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHonest(t)
	bob := h.join()
	foreign, err := seal.WrapUserSeed(suitetest.Suite(), seal.NewUserSeed(),
		seal.UserSeedContext{Org: h.org.ID(), Device: bob.Device(), Generation: 1}, bob.identity.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	h.users[bob.Me.Chain].wraps[bob.Device()] = foreign
	bob.own.newest = 0
	if err := bob.unlockUser(ctx); !errors.Is(err, seal.ErrWrap) {
		t.Errorf("another wrap than the chain's: %v", err)
	}
	u, err := bob.Dir.Load(ctx, bob.Me.Chain, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := bob.openUserSeed(u, foreign); !errors.Is(err, seal.ErrContext) {
		t.Errorf("another seed than the chain's: %v", err)
	}
}
