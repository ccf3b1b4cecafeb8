package adversary

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"chancery/cmd/internal/client/session"
	"chancery/core"
	"chancery/core/api"
	"chancery/core/blob"
	"chancery/core/coretest"
	"chancery/core/live"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// server is the real one on a database of its own, behind a front that bends
// what passes.
type server struct {
	*coretest.Server
	*front
	t        *testing.T
	suite    envelope.Suite
	root     *seal.SigningKey
	admin    *coretest.Person
	team     int64
	hub      *live.Hub
	url      string
	recorder *recording
}

// start founds an organisation of a suite and with the least capture that its
// channels may have. Its recorder is listed and not yet at work.
func start(t *testing.T, suite envelope.Suite, capture envelope.Capture) *server {
	t.Helper()
	s := &server{Server: coretest.Start(t), front: newFront(), t: t, suite: suite, root: signingKey(t)}
	s.hub = live.NewHub(live.Config{Log: slog.New(slog.DiscardHandler)})
	s.background(s.hub.Run)
	files, err := blob.Open(t.TempDir())
	s.Must(err)
	c := s.Service.Config
	c.Blobs, c.Publisher, c.Store = files, s.hub, &lenient{s.DB}
	s.serve(c)
	web := httptest.NewServer(s.front)
	t.Cleanup(web.Close)
	s.url = web.URL
	s.found(capture)
	return s
}

// serve starts the operations, or starts them again: what they had in memory is
// read anew.
func (s *server) serve(c core.Config) {
	s.Service = core.New(c)
	s.background(s.Service.Run)
	s.front.to(api.New(api.Config{Core: s.Service, Gate: c.Gate, Live: s.hub, MaxFile: 1 << 20, Log: c.Log}))
}

// restart is what an operator does after changing the database.
func (s *server) restart() { s.serve(s.Service.Config) }

func (s *server) background(run func(context.Context) error) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	s.t.Cleanup(func() { stop(); s.Must(<-done) })
}

func (s *server) found(capture envelope.Capture) {
	s.t.Helper()
	ctx := s.t.Context()
	s.admin = s.SignIn("admins.ada")
	genesis, err := session.NewOrg(s.suite, "Siege", capture, 1, time.Now(), s.root)
	s.Must(err)
	s.Must(s.StartOrg(ctx, s.admin.P, envelope.Marshal(genesis)))
	s.recorder = newRecording(s)
	for _, p := range []envelope.Party{
		{Role: envelope.RoleReceipt, Name: "server", Key: s.Receipt.Public()},
		{Role: envelope.RoleRemoval, Name: "server", Key: s.Removal.Public()},
		{Role: envelope.RoleRecorder, Name: "rec-1", Key: s.recorder.key.Public(), Recipient: s.recorder.identity.Recipient()},
	} {
		s.list(p)
	}
	team, err := s.CreateTeam(ctx, s.admin.P, wire.NewTeam{Name: "desk", Title: "Desk"})
	s.Must(err)
	s.team = team.ID
}

// list has the root list a party.
func (s *server) list(p envelope.Party) {
	s.t.Helper()
	e, err := session.ListParty(s.Org(), p, time.Now(), s.root)
	s.Must(err)
	s.Must(s.AddOrgLink(s.t.Context(), s.admin.P, envelope.Marshal(e)))
}

// delist has the root end a listing.
func (s *server) delist(role envelope.Role, party envelope.KeyID) {
	s.t.Helper()
	e, err := session.DelistParty(s.Org(), role, party, time.Now(), s.root)
	s.Must(err)
	s.Must(s.AddOrgLink(s.t.Context(), s.admin.P, envelope.Marshal(e)))
}

// lenient is the store under a validator whose gate is off: links that it would
// refuse are stepped over when a channel's state is read, and everything that
// is placed later goes on behind them.
type lenient struct{ core.Store }

func (l *lenient) State(ctx context.Context, channel int64) (core.ChannelState, error) {
	kept, err := l.Store.State(ctx, channel)
	if err != nil || len(kept.Links) == 0 {
		return kept, err
	}
	state, err := chain.NewChannel(stored{ctx, l.Store}, &kept.Links[0].Placed)
	if err != nil {
		return kept, err
	}
	good := kept.Links[:1]
	for _, k := range kept.Links[1:] {
		if state.ReadLink(&k.Placed) == nil {
			good = append(good, k)
		}
	}
	kept.Links = good
	return kept, nil
}

// stored reads the chains that a channel refers to from the database.
type stored struct {
	ctx   context.Context
	store core.Store
}

func (d stored) Org() *chain.Org {
	links, err := d.store.OrgLinks(d.ctx)
	if err != nil {
		return nil
	}
	org, _ := session.ReadOrg(links)
	return org
}

func (d stored) User(id envelope.UserID) (*chain.User, bool) {
	links, err := d.store.UserLinks(d.ctx, id)
	if err != nil || len(links) == 0 {
		return nil, false
	}
	var user *chain.User
	for i, raw := range links {
		e, err := envelope.ParseEntry(raw)
		if err != nil {
			return nil, false
		}
		if i == 0 {
			user, err = chain.NewUser(d.Org(), e)
		} else {
			err = user.Apply(e)
		}
		if err != nil {
			return nil, false
		}
	}
	return user, true
}

func signingKey(t *testing.T) *seal.SigningKey {
	t.Helper()
	k, err := seal.GenerateSigningKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
