package seal

import (
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/suitetest"
	"chancery/crypto/tlog"
)

// quarrel is a coverage of two messages and a link, and a dispute about it.
type quarrel struct {
	device   *SigningKey
	recorder *SigningKey
	said     envelope.Coverage
	d        envelope.Dispute
	e        Evidence
	secrets  [][]byte
}

func newQuarrel(t *testing.T) *quarrel {
	t.Helper()
	device, err := GenerateSigningKey(rand.Reader)
	recorder, err2 := GenerateSigningKey(rand.Reader)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	epoch := Epoch{Org: envelope.OrgID{1}, Channel: envelope.ChannelID{2}, N: 1, Link: envelope.Hash{3}}
	seed := NewSeed()
	epoch.Commit = SeedCommit(epoch.Channel, 1, seed)
	q := &quarrel{device: device, recorder: recorder}
	link := &envelope.Entry{Kind: envelope.KindLink, Header: envelope.Marshal(&envelope.Link{Version: envelope.Version, Org: epoch.Org, Chain: envelope.Hash{1}, Seq: 1, Prev: envelope.Hash{1}, Type: envelope.Sync})}
	SignEntry(link, device)
	entries := []*envelope.Entry{link}
	var root tlog.RootBuilder
	for i := range 2 {
		h := envelope.Header{Version: envelope.Version, Org: epoch.Org, Channel: epoch.Channel, Epoch: 1, EpochLink: epoch.Link,
			Device: device.ID(), DeviceSeq: uint64(i + 1), Seen: envelope.Ref{Position: 1}, Kind: envelope.Post}
		e, salt, err := Seal(seed.Key(epoch), h, envelope.Body{Text: "text"}, device)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := Open(seed.Key(epoch), e, salt[:])
		if err != nil {
			t.Fatal(err)
		}
		q.secrets = append(q.secrets, opened.Secret[:])
		entries = append(entries, e)
		root.Append(tlog.LeafHash(envelope.CoverLeaf(uint64(6+i), e.Hash(), opened.Secret.Cov())))
	}
	head := envelope.Hash{9}
	q.e.Before = head
	for i, e := range entries {
		item := EvidenceItem{Received: int64(i), Hash: e.Hash(), Entry: envelope.Marshal(e)}
		if i > 0 {
			item.Secret = q.secrets[i-1]
		}
		q.e.Items = append(q.e.Items, item)
		head = envelope.NextHead(head, uint64(5+i), int64(i), e.Hash())
	}
	q.said = envelope.Coverage{Version: envelope.Version, From: 5, To: 7, HeadTo: head, Root: envelope.Hash(root.Root()), Recorder: recorder.ID()}
	q.d = envelope.Dispute{Coverage: envelope.Ref{Position: 8}, Recorder: recorder.ID()}
	return q
}

// sign makes the coverage what the evidence and the dispute name.
func (q *quarrel) sign() {
	e := &envelope.Entry{Kind: envelope.KindCoverage, Header: envelope.Marshal(&q.said)}
	SignEntry(e, q.recorder)
	q.e.Coverage, q.d.Coverage.Hash = envelope.Marshal(e), e.Hash()
}

// except makes the last message an exception, and the dispute one about it.
func (q *quarrel) except() {
	q.said.Exceptions = []envelope.Exception{{Position: 7, Code: envelope.Undecryptable}}
	q.d.Position = 7
	q.e.Before = envelope.NextHead(envelope.NextHead(q.e.Before, 5, 0, q.e.Items[0].Hash), 6, 1, q.e.Items[1].Hash)
	q.e.Items = q.e.Items[2:]
}

// garble makes the first message one that nobody can open, under the key that it
// commits to, and the recorder cover it all the same.
func (q *quarrel) garble() {
	e, err := envelope.ParseEntry(q.e.Items[1].Entry)
	if err != nil {
		panic(err)
	}
	e.Payload[len(e.Payload)-1] ^= 1
	e.Signatures = nil
	SignEntry(e, q.device)
	q.e.Items[1].Hash, q.e.Items[1].Entry = e.Hash(), envelope.Marshal(e)
	head := q.e.Before
	for i, x := range q.e.Items {
		head = envelope.NextHead(head, q.said.From+uint64(i), x.Received, x.Hash)
	}
	q.said.HeadTo = head
}

// TestJudge: who was wrong follows from what the recorder signed; a dispute that
// shows nothing decides nothing.
func TestJudge(t *testing.T) {
	t.Parallel()
	undecided := envelope.Fault("")
	for name, c := range map[string]struct {
		bend func(*quarrel)
		late func(*quarrel) // after the recorder has signed
		want envelope.Fault
		why  string
	}{
		"a right root":                {want: envelope.FaultDisputer, why: "the one that"},
		"a wrong root":                {bend: func(q *quarrel) { q.said.Root[0] ^= 1 }, want: envelope.FaultRecorder, why: "another root"},
		"an exception that opens":     {bend: (*quarrel).except, want: envelope.FaultRecorder, why: "opens"},
		"no such exception":           {bend: func(q *quarrel) { q.except(); q.said.Exceptions = nil }, want: envelope.FaultDisputer, why: "does not except"},
		"exception, another secret":   {bend: func(q *quarrel) { q.except(); q.e.Items[0].Secret = q.secrets[0] }, want: envelope.FaultDisputer, why: "does not open"},
		"an exception for its commit": {bend: func(q *quarrel) { q.except(); q.said.Exceptions[0].Code = envelope.BadCommit }, want: undecided, why: "only the seed"},
		"covered without opening":     {bend: (*quarrel).garble, want: envelope.FaultRecorder, why: "does not except it"},
		"another secret":              {bend: func(q *quarrel) { q.said.Root[0] ^= 1; q.e.Items[1].Secret = q.secrets[1] }, want: undecided, why: "secret of message 6"},
		"no secret":                   {bend: func(q *quarrel) { q.said.Root[0] ^= 1; q.e.Items[1].Secret = nil }, want: undecided, why: "secret of message 6"},
		"a message missing":           {bend: func(q *quarrel) { q.said.Root[0] ^= 1; q.e.Items[1].Entry = nil }, want: undecided, why: "missing"},
		"an excepted message missing": {bend: func(q *quarrel) { q.except(); q.e.Items[0].Entry = nil }, want: undecided, why: "missing"},
		"another entry":               {bend: func(q *quarrel) { q.e.Items[1].Entry = q.e.Items[2].Entry }, want: undecided, why: "not the one"},
		"another time":                {bend: func(q *quarrel) { q.e.Items[1].Received++ }, want: undecided, why: "does not lead"},
		"another past":                {bend: func(q *quarrel) { q.e.Before[0] ^= 1 }, want: undecided, why: "does not lead"},
		"a part of the range":         {bend: func(q *quarrel) { q.e.Items = q.e.Items[1:] }, want: undecided, why: "positions"},
		"another coverage":            {late: func(q *quarrel) { q.d.Coverage.Hash[0] ^= 1 }, want: undecided, why: "another coverage"},
		"signed by another":           {late: func(q *quarrel) { q.d.Recorder[0] ^= 1 }, want: undecided, why: "did not sign"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := newQuarrel(t)
			if c.bend != nil {
				c.bend(q)
			}
			q.sign()
			if c.late != nil {
				c.late(q)
			}
			found, err := q.e.Judge(&q.d, q.recorder.Public())
			if errors.Is(err, ErrEvidence) != (c.want == undecided) || err != nil && c.want != undecided {
				t.Fatalf("%+v, %v", found, err)
			}
			said := found.Why
			if err != nil {
				said = err.Error()
			}
			if found.Fault != c.want || !strings.Contains(said, c.why) {
				t.Errorf("found %q: %s", found.Fault, said)
			}
		})
	}
}

// TestEvidenceIsForItsReaders: of its own dispute, and unchanged.
func TestEvidenceIsForItsReaders(t *testing.T) {
	t.Parallel()
	suitetest.Each(t, func(t *testing.T, suite envelope.Suite) {
		auditor, err := GenerateIdentity(suite, rand.Reader)
		other, err2 := GenerateIdentity(suite, rand.Reader)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		org, about := envelope.OrgID{1}, envelope.Hash{2}
		sealed, err := SealEvidence(suite, org, about, [][]byte{auditor.Recipient()}, &Evidence{Before: envelope.Hash{7}})
		if err != nil {
			t.Fatal(err)
		}
		if e, err := OpenEvidence(auditor, org, about, sealed); err != nil || e.Before != (envelope.Hash{7}) {
			t.Errorf("opened %+v, %v", e, err)
		}
		flipped := slices.Clone(sealed)
		flipped[len(flipped)-1] ^= 1
		for name, try := range map[string]func() error{
			"another reader":       func() error { _, err := OpenEvidence(other, org, about, sealed); return err },
			"another dispute":      func() error { _, err := OpenEvidence(auditor, org, envelope.Hash{3}, sealed); return err },
			"another organisation": func() error { _, err := OpenEvidence(auditor, envelope.OrgID{3}, about, sealed); return err },
			"changed":              func() error { _, err := OpenEvidence(auditor, org, about, flipped); return err },
		} {
			if try() == nil {
				t.Errorf("%s opens it", name)
			}
		}
	})
}
