package archivetest

import (
	"bytes"
	"crypto/rand"
	"slices"
	"testing"

	"chancery/compliance/archive"
	"chancery/compliance/record"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/sign"
	"chancery/crypto/suitetest"
	"chancery/crypto/tlog"
)

// World is one organisation with its log.
type World struct {
	TB       testing.TB
	Root     *seal.SigningKey
	Recorder *seal.SigningKey
	Inbox    *seal.Identity // of the recorder
	Auditor  *seal.Identity
	Signer   *sign.Key
	Now      int64 // µs since 1970, UTC; each entry takes a second

	org     *chain.Org
	links   []envelope.Entry
	people  map[envelope.UserID]*Person
	Records []record.Record
	Placed  map[int64]*envelope.Placed // by place in the log
	Hashes  tlog.MemoryHashes
	Tree    record.Tree
	Blobs   map[envelope.BlobID][]byte
	Lost    map[envelope.BlobID]bool // files that the blob store has lost
	Certs   map[envelope.Hash][]byte
	// Uncosigned checkpoints have the signer's signature alone.
	Uncosigned bool
	// Exceptions go into the next archive, beside those of lost files.
	Exceptions []archive.Exception
	secrets    map[secretKey]seal.Secret
	last       *last
}

type secretKey struct {
	channel  envelope.ChannelID
	position uint64
}

// Person is a user with one device.
type Person struct {
	Name    string
	Key     *seal.SigningKey
	Chain   *chain.User
	entries []envelope.Entry
}

// New makes an organisation with a recorder, a signer and an auditor.
func New(tb testing.TB) *World {
	tb.Helper()
	w := &World{
		TB: tb, Root: Key(tb), Recorder: Key(tb), Inbox: Identity(tb), Auditor: Identity(tb), Now: 1_790_000_000_000_000,
		people: map[envelope.UserID]*Person{}, Placed: map[int64]*envelope.Placed{}, Blobs: map[envelope.BlobID][]byte{},
		Lost: map[envelope.BlobID]bool{}, Certs: map[envelope.Hash][]byte{}, secrets: map[secretKey]seal.Secret{},
	}
	var err error
	w.Signer = suitetest.SignerKey(tb)
	genesis := w.link(&envelope.Link{Version: 1, Type: envelope.OrgGenesis, Body: envelope.Marshal(&envelope.OrgGenesisBody{
		Name: "Test & Söhne", Suite: suitetest.Suite(), Roots: [][]byte{w.Root.Public()}, Threshold: 1, Capture: envelope.CaptureOff, Nonce: Nonce(),
	})}, w.Root)
	w.org, err = chain.NewOrg(genesis)
	w.check(err)
	w.links = append(w.links, *genesis)
	w.logLink(record.OrgCreate, genesis)
	w.List(envelope.Party{Role: envelope.RoleRecorder, Name: "recorder", Key: w.Recorder.Public(), Recipient: w.Inbox.Recipient()})
	w.List(envelope.Party{Role: envelope.RoleSigner, Name: "signer", Key: w.Signer.Public()})
	w.List(envelope.Party{Role: envelope.RoleAuditor, Name: "auditor", Recipient: w.Auditor.Recipient()})
	return w
}

// Key makes a signing key.
func Key(tb testing.TB) *seal.SigningKey {
	k, err := seal.GenerateSigningKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// Identity makes an identity of the suite of tests.
func Identity(tb testing.TB) *seal.Identity {
	id, err := seal.GenerateIdentity(suitetest.Suite(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

// Nonce is 16 random bytes.
func Nonce() []byte {
	b := make([]byte, 16)
	rand.Read(b)
	return b
}

func (w *World) check(err error) {
	w.TB.Helper()
	if err != nil {
		w.TB.Fatal(err)
	}
}

// Org and User make the world a chain.Directory.
func (w *World) Org() *chain.Org { return w.org }

// Links are the organisation's chain.
func (w *World) Links() []envelope.Entry { return w.links }

// User finds a person's chain.
func (w *World) User(id envelope.UserID) (*chain.User, bool) {
	p, ok := w.people[id]
	if !ok {
		return nil, false
	}
	return p.Chain, true
}

func (w *World) link(l *envelope.Link, signers ...*seal.SigningKey) *envelope.Entry {
	l.Version, l.Time, l.Key = envelope.Version, w.Now, signers[0].ID()
	e := &envelope.Entry{Kind: envelope.KindLink, Header: envelope.Marshal(l)}
	for _, k := range signers {
		seal.SignEntry(e, k)
	}
	return e
}

// List lists a party in the organisation's chain.
func (w *World) List(p envelope.Party) {
	w.orgLink(envelope.OrgList, envelope.Marshal(&p))
}

// Delist ends a listing.
func (w *World) Delist(role envelope.Role, party envelope.KeyID) {
	w.orgLink(envelope.OrgDelist, envelope.Marshal(&envelope.DelistBody{Role: role, Party: party}))
}

func (w *World) orgLink(t envelope.LinkType, body []byte) {
	w.TB.Helper()
	e := w.link(&envelope.Link{
		Org: w.org.ID(), Chain: envelope.Hash(w.org.ID()), Seq: w.org.Seq() + 1, Prev: w.org.Head(), Type: t, Body: body,
	}, w.Root)
	w.check(w.org.Apply(e))
	w.links = append(w.links, *e)
	w.logLink(record.OrgLink, e)
}

// AddPerson enrols someone with one device.
func (w *World) AddPerson(name string) *Person {
	w.TB.Helper()
	key, device, user := Key(w.TB), Identity(w.TB), Identity(w.TB)
	e := w.link(&envelope.Link{Org: w.org.ID(), Type: envelope.UserGenesis, Body: envelope.Marshal(&envelope.UserGenesisBody{
		Suite:  suitetest.Suite(),
		Device: envelope.DeviceBody{Name: "laptop", Key: key.Public(), Recipient: device.Recipient()}, Recipient: user.Recipient(), Nonce: Nonce(),
	})}, key)
	u, err := chain.NewUser(w.org, e)
	w.check(err)
	p := &Person{Name: name, Key: key, Chain: u, entries: []envelope.Entry{*e}}
	w.people[u.ID()] = p
	w.logLink(record.UserCreate, e)
	return p
}

// Log adds a record to the log.
func (w *World) Log(r record.Record) int64 {
	w.TB.Helper()
	r.Version, r.Org, r.At = envelope.Version, w.org.ID(), w.Now
	r.ID = w.Tree.LastID + 1
	b, err := record.Place(w.Tree, w.Hashes, []record.Record{r})
	w.check(err)
	w.Hashes, w.Tree = append(w.Hashes, b.Hashes...), b.After
	w.Records = append(w.Records, r)
	return b.Before.Size
}

func (w *World) logLink(op record.Op, e *envelope.Entry) {
	r := record.Record{Op: op, Outcome: record.OK}
	r.SetEntry(envelope.ChannelID{}, 0, envelope.Hash{}, e)
	w.Log(r)
}

// sortedPeople are all people in the order of their ids.
func (w *World) sortedPeople() []*Person {
	var out []*Person
	for _, p := range w.people {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *Person) int {
		x, y := a.Chain.ID(), b.Chain.ID()
		return bytes.Compare(x[:], y[:])
	})
	return out
}

// Person finds someone by the id of their chain.
func (w *World) Person(id envelope.UserID) *Person { return w.people[id] }
