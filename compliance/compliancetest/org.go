package compliancetest

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"chancery/core"
	"chancery/core/postgres/postgrestest"
	"chancery/core/store"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/sign"
	"chancery/crypto/suitetest"
	"chancery/identity"
	"chancery/policy"
)

// Org is an organisation with a database of its own. It implements
// chain.Directory.
type Org struct {
	T     testing.TB
	DB    *store.DB
	URL   string
	Clock time.Time // what Now tells
	root  *sign.Key
	chain *chain.Org
	links []*envelope.Entry
	users map[envelope.UserID]*chain.User
}

// New founds an organisation that lists nobody.
func New(t testing.TB) *Org {
	t.Helper()
	o := &Org{T: t, URL: postgrestest.URL(t), root: Key(t), users: map[envelope.UserID]*chain.User{}}
	o.Clock = time.Now().UTC().Truncate(time.Microsecond)
	db, err := store.Open(t.Context(), o.URL)
	o.must(err)
	t.Cleanup(db.Close)
	o.DB = db
	body := envelope.OrgGenesisBody{
		Name: "Test", Suite: suitetest.Suite(), Roots: [][]byte{o.root.Public()}, Threshold: 1,
		Capture: envelope.CaptureRequired, Nonce: make([]byte, 16),
	}
	genesis := o.link(o.root, &envelope.Link{Type: envelope.OrgGenesis, Body: envelope.Marshal(&body)})
	o.chain, err = chain.NewOrg(genesis)
	o.must(err)
	o.links = append(o.links, genesis)
	id := o.chain.ID()
	o.Exec(`INSERT INTO organisation (chain) VALUES ($1)`, id[:])
	o.keep(envelope.Hash(id), 0, genesis)
	return o
}

// Org implements chain.Directory.
func (o *Org) Org() *chain.Org { return o.chain }

// User implements chain.Directory.
func (o *Org) User(id envelope.UserID) (*chain.User, bool) {
	u, ok := o.users[id]
	return u, ok
}

// Now is the clock of everything under test.
func (o *Org) Now() time.Time { return o.Clock }

// Gate asks the default policy.
func (o *Org) Gate() *core.Gate {
	o.T.Helper()
	engine, err := policy.Load(context.Background(), policy.Default(), policy.Config{Deadline: 10 * time.Second})
	o.must(err)
	return core.NewGate(engine, o.DB.Record, o.Now)
}

// List adds a party to the organisation's chain.
func (o *Org) List(p envelope.Party) envelope.Party {
	o.T.Helper()
	e := o.link(o.root, &envelope.Link{Type: envelope.OrgList, Body: envelope.Marshal(&p)})
	o.must(o.chain.Apply(e))
	o.links = append(o.links, e)
	o.keep(envelope.Hash(o.chain.ID()), o.chain.Seq(), e)
	return p
}

// Delist ends a listing.
func (o *Org) Delist(p envelope.Party) {
	o.T.Helper()
	body := envelope.DelistBody{Role: p.Role, Party: p.ID()}
	e := o.link(o.root, &envelope.Link{Type: envelope.OrgDelist, Body: envelope.Marshal(&body)})
	o.must(o.chain.Apply(e))
	o.keep(envelope.Hash(o.chain.ID()), o.chain.Seq(), e)
}

// link completes and signs the next link of the organisation's chain.
func (o *Org) link(key *sign.Key, l *envelope.Link) *envelope.Entry {
	l.Version, l.Key, l.Time = envelope.Version, envelope.KeyOf(key.Public()), o.Clock.UnixMicro()
	if o.chain != nil {
		l.Org, l.Chain, l.Seq, l.Prev = o.chain.ID(), envelope.Hash(o.chain.ID()), o.chain.Seq()+1, o.chain.Head()
	}
	return Sign(envelope.KindLink, envelope.Marshal(l), nil, key)
}

func (o *Org) keep(id envelope.Hash, seq uint64, e *envelope.Entry) {
	o.Exec(`INSERT INTO links (chain, seq, entry) VALUES ($1, $2, $3)`, id[:], int64(seq), envelope.Marshal(e))
}

// Sign makes an entry with one signature.
func Sign(kind envelope.Kind, header, payload []byte, key *sign.Key) *envelope.Entry {
	e := &envelope.Entry{Kind: kind, Header: header, Payload: payload}
	sig, _ := key.Sign(envelope.SigningInput(kind, envelope.SumBytes(header), envelope.SumBytes(payload)))
	e.Attach(envelope.Signature{Key: envelope.KeyOf(key.Public()), Bytes: sig})
	return e
}

// Statement makes a signed statement.
func Statement(label string, v any, key *sign.Key) []byte {
	b := envelope.Marshal(v)
	sig, _ := key.Sign(envelope.StatementInput(label, b))
	return envelope.Marshal(&envelope.Signed{
		Label: label, Bytes: b, Signature: envelope.Signature{Key: envelope.KeyOf(key.Public()), Bytes: sig},
	})
}

// Key makes a signing key.
func Key(t testing.TB) *sign.Key {
	t.Helper()
	k, err := sign.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Exec runs one statement in the server's role.
func (o *Org) Exec(sql string, args ...any) {
	o.T.Helper()
	if _, err := o.DB.App().Exec(context.Background(), sql, args...); err != nil {
		o.T.Fatalf("%s: %v", sql, err)
	}
}

// Number asks for one number.
func (o *Org) Number(sql string, args ...any) int64 {
	o.T.Helper()
	var n int64
	if err := o.DB.App().QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		o.T.Fatalf("%s: %v", sql, err)
	}
	return n
}

func (o *Org) must(err error) {
	o.T.Helper()
	if err != nil {
		o.T.Fatal(err)
	}
}

// Recorder is a listed recorder.
type Recorder struct {
	Key       *sign.Key
	Party     envelope.Party
	Principal identity.Principal
}

// Recorder lists a recorder.
func (o *Org) Recorder(name string) *Recorder {
	o.T.Helper()
	key := Key(o.T)
	p := o.List(envelope.Party{Role: envelope.RoleRecorder, Name: name, Key: key.Public(), Recipient: []byte(name)})
	return &Recorder{Key: key, Party: p, Principal: identity.Principal{
		Kind: identity.Recorder, Name: name, Service: p.ID(), Session: 1, AuthTime: o.Clock, Expires: o.Clock.Add(time.Hour),
	}}
}
