package core_test

import (
	"bytes"
	"crypto/rand"
	"reflect"
	"slices"
	"strings"
	"testing"

	"chancery/core"
	"chancery/core/coretest"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/piece"
	"chancery/crypto/seal"
	"chancery/crypto/sign"
	"chancery/crypto/suitetest"
	"chancery/crypto/tlog"
	"chancery/identity"
	"chancery/policy"
)

// operation calls one exported method of core.Service as somebody who may, and
// says which records that makes. The sweeps below find the methods by
// reflection: one without a case fails.
type operation struct {
	call    func(w *world, s *core.Service, p identity.Principal) error
	records []string // made when it is allowed; none for reading
	admin   bool     // an administrator calls it
	open    string   // why nobody is asked: such a method refuses by itself or tells nothing
}

// world is a server with something of everything.
type world struct {
	*coretest.Server
	admin, ann, bob, newbie *coretest.Person
	team                    wire.Team
	desk                    *coretest.Channel
	asked, answered, shown  *coretest.Joining // proposals, as far as that
	file                    core.Upload
	sealed                  []byte // its only chunk
	recorder                *seal.SigningKey
	second                  wire.NewLink
	removal2                *sign.Key
	lastRecord              int64
}

func newWorld(t *testing.T) *world {
	s := coretest.Start(t)
	w := &world{Server: s, admin: s.Found(envelope.CaptureOff)}
	w.ann, w.bob, w.newbie = s.Join("members.ann"), s.Join("members.bob"), s.SignIn("members.new")
	var err error
	w.team, err = s.CreateTeam(t.Context(), w.admin.P, wire.NewTeam{Name: "desk"})
	s.Must(err)
	s.Must(s.AddTeamMember(t.Context(), w.admin.P, w.team.ID, wire.TeamMember{Username: "members.ann"}))
	w.asked, w.answered, w.shown = w.ann.NewDevice("phone").Ask(), w.ann.NewDevice("tablet").Ask(), w.ann.NewDevice("desktop").Ask().Reveal()
	s.Must(s.AnswerDevice(t.Context(), w.ann.P, w.answered.ID(), w.answered.Answer()))
	w.sealed, w.second = bytes.Repeat([]byte("sealed"), 10), w.ann.SecondDevice()
	w.file = core.Upload{ID: envelope.BlobID{7}, Size: 60, Root: envelope.Hash(tlog.Root([][]byte{w.sealed}))}
	w.recorder, err = seal.GenerateSigningKey(rand.Reader)
	s.Must(err)
	w.removal2 = s.NewKey()
	s.List(w.admin, envelope.Party{Role: envelope.RoleRemoval, Name: "legal's", Key: w.removal2.Public()})
	w.desk = w.ann.Open(w.team.ID, "fx", envelope.CaptureOff, nil, w.bob)
	s.List(w.admin, envelope.Party{Role: envelope.RoleRecorder, Name: "rec", Key: w.recorder.Public(), Recipient: []byte("age1pq")})
	w.lastRecord = w.newestRecord()
	return w
}

var operations = map[string]operation{
	"Run":          {open: "works the queue; takes no request"},
	"Nonce":        {open: "tells a random number"},
	"Authenticate": {open: "finds out who asks"},
	"Login": {records: []string{"adm.account_create", "ses.create"}, call: func(w *world, s *core.Service, _ identity.Principal) error {
		_, err := s.Login(w.T.Context(), wire.Login{Username: "members.zoe", Password: "right"})
		return err
	}},
	"LoginKey": {records: []string{"ses.create"}, call: loginRecorder},
	"BindDevice": {records: []string{"ses.bind"}, call: func(w *world, s *core.Service, p identity.Principal) error {
		return s.BindDevice(w.T.Context(), p, wire.BindDevice{Statement: w.ann.Proof(w.T.Context())})
	}},
	"Logout": {records: []string{"ses.end"}, call: func(w *world, s *core.Service, p identity.Principal) error {
		return s.Logout(w.T.Context(), p)
	}},
	"Whoami": {call: func(w *world, s *core.Service, p identity.Principal) error {
		_, err := s.Whoami(w.T.Context(), p)
		return err
	}},
	"People": {call: func(w *world, s *core.Service, p identity.Principal) error {
		_, err := s.People(w.T.Context(), p, "")
		return err
	}},
	"Disable": {admin: true, records: []string{"adm.account_disable"}, call: func(w *world, s *core.Service, p identity.Principal) error {
		return s.Disable(w.T.Context(), p, "members.new", "gone fishing")
	}},
	"Enable": {admin: true, records: []string{"adm.account_disable", "adm.account_enable"}, call: func(w *world, s *core.Service, p identity.Principal) error {
		if s == w.Service && p.Kind == identity.Person {
			w.Must(w.Disable(w.T.Context(), p, "members.new", "by mistake"))
		}
		return s.Enable(w.T.Context(), p, "members.new")
	}},
	"Departures": {admin: true, call: func(w *world, s *core.Service, p identity.Principal) error {
		_, err := s.Departures(w.T.Context(), p)
		return err
	}},
	"Countersign": {admin: true, records: []string{"adm.account_disable", "mem.remove"}, call: func(w *world, s *core.Service, p identity.Principal) error {
		if s == w.Service && p.Kind == identity.Person {
			w.Must(w.Disable(w.T.Context(), p, "members.ann", "left"))
		}
		_, err := s.Countersign(w.T.Context(), p, w.desk.Departure(w.ann, w.Removal, w.removal2))
		return err
	}},
	"Present": {open: "tells the caller whether their own session stands"},
	"Alarms":  {open: "tells figures to the metrics"},
	"OrgChain": {call: func(w *world, s *core.Service, p identity.Principal) error {
		_, err := s.OrgChain(w.T.Context(), p)
		return err
	}},
	"StartOrg": {admin: true, call: func(w *world, s *core.Service, p identity.Principal) error {
		err := s.StartOrg(w.T.Context(), p, w.OrgGenesis())
		if core.KindOf(err) == core.Conflict {
			return nil // there is one: TestStartOrg places the first
		}
		return err
	}},
	"AddOrgLink": {admin: true, records: []string{"adm.org_link"}, call: func(w *world, s *core.Service, p identity.Principal) error {
		return s.AddOrgLink(w.T.Context(), p, w.RootLink(envelope.OrgList, &envelope.Party{Role: envelope.RoleSigner, Name: "signer", Key: suitetest.SignerKey(w.T).Public()}))
	}},
	"UserChain": {call: func(w *world, s *core.Service, p identity.Principal) error {
		_, err := s.UserChain(w.T.Context(), p, w.bob.User)
		return err
	}},
	"StartUser": {records: []string{"key.user_create"}, call: func(w *world, s *core.Service, p identity.Principal) error {
		if p.Kind == identity.Person {
			p = w.newbie.P
		}
		return s.StartUser(w.T.Context(), p, w.newbie.Genesis())
	}},
	"ExtendUser": {records: []string{"key.device_add"}, call: func(w *world, s *core.Service, p identity.Principal) error {
		return s.ExtendUser(w.T.Context(), p, w.second)
	}},
	"Recovery": {call: func(w *world, s *core.Service, p identity.Principal) error {
		_, err := s.Recovery(w.T.Context(), p)
		return err
	}},
	"Devices": {call: func(w *world, s *core.Service, p identity.Principal) error {
		_, err := s.Devices(w.T.Context(), p)
		return err
	}},
	"Sees": {call: func(w *world, s *core.Service, p identity.Principal) error {
		return s.Sees(w.T.Context(), p, w.desk.ID)
	}},
	"DeviceWrap": {call: func(w *world, s *core.Service, p identity.Principal) error {
		_, err := s.DeviceWrap(w.T.Context(), p, w.ann.Key.ID())
		return err
	}},
	"AskForDevice": {records: []string{"key.device_propose"}, call: func(w *world, s *core.Service, p identity.Principal) error {
		return s.AskForDevice(w.T.Context(), p, w.ann.NewDevice("watch").Asking())
	}},
	"Proposal": {call: func(w *world, s *core.Service, p identity.Principal) error {
		_, err := s.Proposal(w.T.Context(), p, w.asked.ID())
		return err
	}},
	"AnswerDevice": {records: []string{"key.device_answer"}, call: func(w *world, s *core.Service, p identity.Principal) error {
		return s.AnswerDevice(w.T.Context(), p, w.asked.ID(), w.asked.Answer())
	}},
	"RevealDevice": {records: []string{"key.device_reveal"}, call: func(w *world, s *core.Service, p identity.Principal) error {
		return s.RevealDevice(w.T.Context(), p, w.answered.ID(), wire.DeviceReveal{Nonce: w.answered.Opening.Nonce[:]})
	}},
	"LinkDevice": {records: []string{"key.device_sign"}, call: func(w *world, s *core.Service, p identity.Principal) error {
		return s.LinkDevice(w.T.Context(), p, w.shown.ID(), w.shown.Link())
	}},
	"RefuseDevice": {records: []string{"key.device_refuse"}, call: func(w *world, s *core.Service, p identity.Principal) error {
		return s.RefuseDevice(w.T.Context(), p, w.asked.ID(), wire.DeviceRefusal{Why: wire.RefusedByPerson})
	}},
	"CreateTeam": {admin: true, records: []string{"chn.team_create"}, call: func(w *world, s *core.Service, p identity.Principal) error {
		_, err := s.CreateTeam(w.T.Context(), p, wire.NewTeam{Name: "other"})
		return err
	}},
	"Teams": {call: func(w *world, s *core.Service, p identity.Principal) error {
		_, err := s.Teams(w.T.Context(), p)
		return err
	}},
	"AddTeamMember": {admin: true, records: []string{"chn.team_member"}, call: func(w *world, s *core.Service, p identity.Principal) error {
		return s.AddTeamMember(w.T.Context(), p, w.team.ID, wire.TeamMember{Username: "members.bob"})
	}},
	"CreateChannel": {records: []string{"chn.create"}, call: func(w *world, s *core.Service, p identity.Principal) error {
		_, err := s.CreateChannel(w.T.Context(), p, wire.NewChannel{Team: w.team.ID, Name: "rates", Genesis: w.ann.ChannelGenesis(envelope.CaptureOff)})
		return err
	}},
	"Channels": {call: func(w *world, s *core.Service, p identity.Principal) error {
		_, err := s.Channels(w.T.Context(), p)
		return err
	}},
	"Channel": {call: func(w *world, s *core.Service, p identity.Principal) error {
		_, err := s.Channel(w.T.Context(), p, w.desk.ID)
		return err
	}},
	"Place": {records: []string{"msg.create"}, call: func(w *world, s *core.Service, p identity.Principal) error {
		_, err := s.Place(w.T.Context(), p, w.desk.ID, w.desk.Seal(w.ann, "hello"))
		return err
	}},
	"Entries": {call: func(w *world, s *core.Service, p identity.Principal) error {
		_, err := s.Entries(w.T.Context(), p, w.desk.ID, 0, 10, core.AllEntries)
		return err
	}},
	"Subscribe": {call: func(w *world, s *core.Service, p identity.Principal) error {
		_, err := s.Subscribe(w.T.Context(), p, w.desk.ID, 0)
		return err
	}},
	"Connect": {call: func(w *world, s *core.Service, p identity.Principal) error { return s.Connect(w.T.Context(), p) }},
	"Typing": {call: func(w *world, s *core.Service, p identity.Principal) error {
		return s.Typing(w.T.Context(), p, w.desk.ID)
	}},
	"EpochWrap": {call: func(w *world, s *core.Service, p identity.Principal) error {
		_, err := s.EpochWrap(w.T.Context(), p, w.desk.ID, 1)
		return err
	}},
	"Tell": {records: []string{"key.notice"}, call: func(w *world, s *core.Service, p identity.Principal) error {
		return s.Tell(w.T.Context(), p, w.desk.ID, w.tail(1))
	}},
	"Notices": {call: func(w *world, s *core.Service, p identity.Principal) error {
		_, err := s.Notices(w.T.Context(), p, w.desk.ID, 0)
		return err
	}},
	"Evidence": {call: func(w *world, s *core.Service, p identity.Principal) error {
		_, err := s.Evidence(w.T.Context(), p, w.desk.ID, envelope.Hash{1})
		if core.KindOf(err) == core.NotFound && p.Kind == identity.Person {
			return nil // allowed, and there is none
		}
		return err
	}},
	"Announce": {records: []string{"file.upload"}, call: func(w *world, s *core.Service, p identity.Principal) error {
		_, err := s.Announce(w.T.Context(), p, w.desk.ID, w.file)
		return err
	}},
	"Upload": {records: []string{"file.upload"}, call: func(w *world, s *core.Service, p identity.Principal) error {
		if s == w.Service && p.Kind == identity.Person {
			_, err := s.Announce(w.T.Context(), p, w.desk.ID, w.file) // this is what is recorded
			w.Must(err)
		}
		_, err := s.Upload(w.T.Context(), p, w.desk.ID, w.file.ID, piece.Span{To: 1}, bytes.NewReader(w.sealed))
		return err
	}},
	"Download": {call: func(w *world, s *core.Service, p identity.Principal) error {
		_, err := s.Download(w.T.Context(), p, w.desk.ID, w.file.ID, piece.Span{To: 1})
		if core.KindOf(err) == core.NotFound && p.Kind == identity.Person {
			return nil // allowed, and nothing bound: the demo downloads one
		}
		return err
	}},
}

// TestOperationsHaveCases fails for an exported method without a case.
func TestOperationsHaveCases(t *testing.T) {
	t.Parallel()
	methods := reflect.TypeFor[*core.Service]()
	for i := range methods.NumMethod() {
		if _, ok := operations[methods.Method(i).Name]; !ok {
			t.Errorf("core.Service.%s has no case in the sweeps", methods.Method(i).Name)
		}
	}
	for name := range operations {
		if _, ok := methods.MethodByName(name); !ok {
			t.Errorf("there is no core.Service.%s", name)
		}
	}
}

// TestDenyAll calls every operation under policies that refuse, and as nobody.
// Nothing may change but the record of the refusal.
func TestDenyAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	empty := w.Again(&policy.Engine{})
	for name, o := range operations {
		if o.open != "" {
			continue
		}
		w.refuses(t, name+" without a policy", o, empty, w.caller(o).P)
		if name != "Login" && name != "LoginKey" {
			w.refuses(t, name+" as nobody", o, w.Service, identity.Principal{})
		}
	}
}

func (w *world) caller(o operation) *coretest.Person {
	if o.admin {
		return w.admin
	}
	return w.ann
}

func (w *world) refuses(t *testing.T, name string, o operation, s *core.Service, p identity.Principal) {
	t.Helper()
	before := w.state()
	w.lastRecord = w.newestRecord()
	err := o.call(w, s, p)
	refusals := []core.Kind{core.Denied, core.NotFound, core.Unavailable, core.Unauthorized}
	if err == nil || !slices.Contains(refusals, core.KindOf(err)) {
		t.Errorf("%s: %v, want a refusal", name, err)
	}
	if w.state() != before {
		t.Errorf("%s: changed something", name)
	}
	for _, op := range w.recordsSince(t, w.lastRecord) {
		if op != "pol.deny" {
			t.Errorf("%s: recorded %s", name, op)
		}
	}
}

// TestAuditAll calls every operation as somebody who may, and expects exactly
// the records that its case names.
func TestAuditAll(t *testing.T) {
	t.Parallel()
	for name, o := range operations {
		if o.open != "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.lastRecord = w.newestRecord()
			if err := o.call(w, w.Service, w.caller(o).P); err != nil {
				t.Fatal(err)
			}
			if got := w.recordsSince(t, w.lastRecord); !slices.Equal(got, o.records) {
				t.Errorf("recorded %v, want %v", got, o.records)
			}
		})
	}
}

func loginRecorder(w *world, s *core.Service, _ identity.Principal) error {
	in, err := w.recorderLogin()
	if err != nil {
		return err
	}
	_, err = s.LoginKey(w.T.Context(), in)
	return err
}

// tail is ann's device's word on how far it has written in the desk.
func (w *world) tail(seq uint64) wire.NewNotice {
	statement, err := seal.SignStatement(envelope.LabelTail, &envelope.Notice{
		Version: envelope.Version, Org: w.Org().ID(), Channel: w.desk.ID, User: w.ann.User, Key: w.ann.Key.ID(),
		Body: envelope.Marshal(&envelope.Tail{Seq: seq, Entry: envelope.Hash{1}, Seen: envelope.Ref{Position: 1}}), Time: 1,
	}, w.ann.Key)
	w.Must(err)
	return wire.NewNotice{Statement: statement}
}

func (w *world) recorderLogin() (wire.KeyLogin, error) {
	claim := w.Claim(w.T.Context(), w.recorder.ID(), 0)
	claim.Role = envelope.RoleRecorder
	statement, err := seal.SignStatement(wire.LabelLogin, &claim, w.recorder)
	return wire.KeyLogin{Statement: statement}, err
}

func (w *world) recorderToken(t *testing.T) string {
	t.Helper()
	in, err := w.recorderLogin()
	w.Must(err)
	session, err := w.LoginKey(t.Context(), in)
	w.Must(err)
	return session.Token
}

// state is a digest of everything that a request could change, but the record
// and the one-time nonces.
func (w *world) state() string {
	return w.Text(`SELECT string_agg(n || md5(t), ' ' ORDER BY n) FROM (
		SELECT 'accounts' n, coalesce(string_agg(a::text, '' ORDER BY id), '') t FROM accounts a
		UNION ALL SELECT 'sessions', coalesce(string_agg(s::text, '' ORDER BY id), '') FROM sessions s
		UNION ALL SELECT 'links', coalesce(string_agg(l::text, '' ORDER BY chain, seq), '') FROM links l
		UNION ALL SELECT 'devices', coalesce(string_agg(d::text, '' ORDER BY id), '') FROM devices d
		UNION ALL SELECT 'proposals', coalesce(string_agg(p::text, '' ORDER BY created_at, id), '') FROM proposals p
		UNION ALL SELECT 'teams', coalesce(string_agg(m::text, '' ORDER BY team_id, account_id), '') FROM team_members m
		UNION ALL SELECT 'names', coalesce(string_agg(m::text, '' ORDER BY id), '') FROM teams m
		UNION ALL SELECT 'channels', coalesce(string_agg(c::text, '' ORDER BY id), '') FROM channels c
		UNION ALL SELECT 'members', coalesce(string_agg(m::text, '' ORDER BY channel_id, account_id), '') FROM channel_members m
		UNION ALL SELECT 'entries', coalesce(string_agg(e::text, '' ORDER BY channel_id, seq), '') FROM entries e
		UNION ALL SELECT 'notices', coalesce(string_agg(n::text, '' ORDER BY id), '') FROM notices n
		UNION ALL SELECT 'uploads', coalesce(string_agg(u::text, '' ORDER BY id), '') FROM uploads u
		UNION ALL SELECT 'blobs', coalesce(string_agg(b::text, '' ORDER BY id), '') FROM blobs b
	) x`)
}

func (w *world) newestRecord() int64 {
	return w.Number(`SELECT coalesce(max(id), 0) FROM records`)
}

func (w *world) recordsSince(t *testing.T, id int64) []string {
	t.Helper()
	text := w.Text(`SELECT coalesce(string_agg(op, ' ' ORDER BY id), '') FROM records WHERE id > $1`, id)
	return strings.Fields(text)
}
