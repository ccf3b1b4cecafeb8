package envelope

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"testing"
)

// refusesAll edits a good value in every listed way and demands refusal.
func refusesAll[T any](t *testing.T, sample func() *T, parse func([]byte) (any, error), edits map[string]func(*T)) {
	t.Helper()
	if _, err := parse(Marshal(sample())); err != nil {
		t.Fatalf("unedited: %v", err)
	}
	for name, edit := range edits {
		v := sample()
		edit(v)
		if _, err := parse(Marshal(v)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEntryShape(t *testing.T) {
	t.Parallel()
	message := func() *Entry { return sampleEntry(KindMessage) }
	refusesAll(t, message, whole(ParseEntry), map[string]func(*Entry){
		"header too long":    func(e *Entry) { e.Header = make([]byte, MaxHeader+1) },
		"payload too long":   func(e *Entry) { e.Payload = make([]byte, MaxPayload+1) },
		"payload missing":    func(e *Entry) { e.Payload = nil },
		"payload not sealed": func(e *Entry) { e.Payload = e.Payload[1:] },
		"much too long":      func(e *Entry) { e.Payload = make([]byte, 1<<20) },
		"no signature":       func(e *Entry) { e.Signatures = nil },
		"two signatures":     func(e *Entry) { e.Attach(sampleSignature(9)) },
		"short signature":    func(e *Entry) { e.Signatures[0].Bytes = e.Signatures[0].Bytes[1:] },
		"long signature":     func(e *Entry) { e.Signatures[0].Bytes = append(e.Signatures[0].Bytes, 0) },
	})
	link := func() *Entry { return sampleEntry(KindLink) }
	refusesAll(t, link, whole(ParseEntry), map[string]func(*Entry){
		"kind 0":              func(e *Entry) { e.Kind, e.Signatures = 0, e.Signatures[:1] },
		"kind 5":              func(e *Entry) { e.Kind, e.Signatures = 5, e.Signatures[:1] },
		"payload":             func(e *Entry) { e.Payload = make([]byte, minPayload) },
		"unsorted signatures": func(e *Entry) { e.Signatures[0], e.Signatures[1] = e.Signatures[1], e.Signatures[0] },
		"signature twice":     func(e *Entry) { e.Signatures[1] = e.Signatures[0] },
		"17 signatures": func(e *Entry) {
			e.Signatures = nil
			for i := range byte(17) {
				e.Attach(sampleSignature(i))
			}
		},
	})
	largest, signers := message(), link()
	largest.Header, largest.Payload = make([]byte, MaxHeader), make([]byte, MaxPayload)
	for i := range byte(14) {
		signers.Attach(sampleSignature(i + 3))
	}
	for name, e := range map[string]*Entry{"largest": largest, "16 signatures": signers} {
		if _, err := ParseEntry(Marshal(e)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPlacedShape(t *testing.T) {
	t.Parallel()
	live := func() *Placed { return samplePlaced(KindMessage) }
	refusesAll(t, live, whole(ParsePlaced), map[string]func(*Placed){
		"short salt":    func(p *Placed) { p.Salt = p.Salt[1:] },
		"payload hash":  func(p *Placed) { p.Payload[0] ^= 1 },
		"payload":       func(p *Placed) { p.Entry.Payload[0] ^= 1 },
		"entry's shape": func(p *Placed) { p.Entry.Signatures = nil },
	})
	disposed := func() *Placed { p := live(); p.Entry.Payload, p.Salt = nil, nil; return p }
	refusesAll(t, disposed, whole(ParsePlaced), map[string]func(*Placed){
		"salt":         func(p *Placed) { p.Salt = make([]byte, 32) },
		"never sealed": func(p *Placed) { p.Payload = SumBytes(nil) },
		"header":       func(p *Placed) { p.Entry.Header = make([]byte, MaxHeader+1) },
		"no signature": func(p *Placed) { p.Entry.Signatures = nil },
	})
	refusesAll(t, func() *Placed { return samplePlaced(KindLink) }, whole(ParsePlaced), map[string]func(*Placed){
		"salt": func(p *Placed) { p.Salt = make([]byte, 32) },
	})
	long := disposed()
	long.Entry.Header = make([]byte, MaxHeader)
	if _, err := ParsePlaced(Marshal(long)); err != nil {
		t.Errorf("largest header of a disposed message: %v", err)
	}
	if a, b := live(), disposed(); a.Hash() != b.Hash() || a.Hash() != a.Entry.Hash() {
		t.Error("disposing of a payload changed the entry's hash")
	}
}

func TestLinkShape(t *testing.T) {
	t.Parallel()
	refusesAll(t, sampleLink, inside(KindLink, ParseLink), map[string]func(*Link){
		"version":         func(l *Link) { l.Version = 2 },
		"seq 0":           func(l *Link) { l.Seq = 0 },
		"no chain":        func(l *Link) { l.Chain = Hash{} },
		"no prev":         func(l *Link) { l.Prev = Hash{} },
		"genesis chained": func(l *Link) { l.Seq, l.Prev = 0, Hash{} },
		"genesis after":   func(l *Link) { l.Seq, l.Chain = 0, Hash{} },
	})
}

func TestHeaderShape(t *testing.T) {
	t.Parallel()
	refusesAll(t, sampleHeader, inside(KindMessage, ParseHeader), map[string]func(*Header){
		"version":           func(m *Header) { m.Version = 2 },
		"kind 0":            func(m *Header) { m.Kind, m.Target = 0, Ref{} },
		"reserved kind":     func(m *Header) { m.Kind, m.Target = Reaction, Ref{} },
		"epoch 0":           func(m *Header) { m.Epoch = 0 },
		"device_seq 0":      func(m *Header) { m.DeviceSeq, m.Void = 0, nil },
		"edit of nothing":   func(m *Header) { m.Target = Ref{} },
		"target of a post":  func(m *Header) { m.Kind = Post },
		"hash of a post":    func(m *Header) { m.Kind, m.Target.Position = Post, 0 },
		"thread":            func(m *Header) { m.Thread.Position = 1 },
		"11 attachments":    func(m *Header) { m.Attachments = manyAttachments() },
		"attachment twice":  func(m *Header) { m.Attachments[1].ID = m.Attachments[0].ID },
		"void of itself":    func(m *Header) { m.Void = []uint64{3, 4} },
		"only itself void":  func(m *Header) { m.Void = []uint64{4} },
		"unsorted void":     func(m *Header) { m.Void = []uint64{2, 1} },
		"void twice":        func(m *Header) { m.Void = []uint64{2, 2} },
		"far unsorted void": func(m *Header) { m.Void = []uint64{1<<63 + 2, 1} },
		"unsorted mentions": func(m *Header) { m.Mentions[0], m.Mentions[1] = m.Mentions[1], m.Mentions[0] },
		"mention twice":     func(m *Header) { m.Mentions[1] = m.Mentions[0] },
	})
	far, post, remove := sampleHeader(), sampleHeader(), sampleHeader()
	far.DeviceSeq, far.Void = 1<<63+9, []uint64{1, 1<<63 + 2}
	post.Kind, post.Target, post.Void, post.Attachments = Post, Ref{}, nil, manyAttachments()[:MaxAttachments]
	remove.Kind = Delete
	for name, m := range map[string]*Header{"void far apart, in order": far, "post with 10 attachments and no void": post, "delete": remove} {
		if _, err := ParseHeader(&Entry{Kind: KindMessage, Header: Marshal(m)}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func manyAttachments() (list []Attachment) {
	for i := range byte(MaxAttachments + 1) {
		list = append(list, Attachment{ID: BlobID{i}})
	}
	return list
}

func TestCoverageShape(t *testing.T) {
	t.Parallel()
	refusesAll(t, sampleCoverage, inside(KindCoverage, ParseCoverage), map[string]func(*Coverage){
		"version":         func(c *Coverage) { c.Version = 0 },
		"from 0":          func(c *Coverage) { c.From = 0 },
		"backwards":       func(c *Coverage) { c.From, c.Exceptions = 10, nil },
		"exception early": func(c *Coverage) { c.From = 3 },
		"exception late":  func(c *Coverage) { c.To = 8 },
		"unsorted":        func(c *Coverage) { c.Exceptions[0], c.Exceptions[1] = c.Exceptions[1], c.Exceptions[0] },
		"exception twice": func(c *Coverage) { c.Exceptions[1] = c.Exceptions[0] },
		"far unsorted": func(c *Coverage) {
			c.To, c.Exceptions[0].Position, c.Exceptions[1].Position = 1<<64-1, 1<<63+5, 3
		},
		"a withheld salt is no exception": func(c *Coverage) { c.Exceptions[0].Code = "missing_salt" },
	})
	one := sampleCoverage()
	one.To, one.Exceptions = one.From, one.Exceptions[:1]
	if _, err := ParseCoverage(&Entry{Kind: KindCoverage, Header: Marshal(one)}); err != nil {
		t.Errorf("coverage of one position: %v", err)
	}
	refusesAll(t, sampleAcknowledgement, inside(KindAcknowledgement, ParseAcknowledgement), map[string]func(*Acknowledgement){
		"version": func(a *Acknowledgement) { a.Version = 2 },
	})
}

// TestKinds gives each parser an entry of every other kind.
func TestKinds(t *testing.T) {
	t.Parallel()
	for k, parse := range map[Kind]func([]byte, Kind) error{
		KindLink:            func(b []byte, k Kind) error { _, err := ParseLink(&Entry{Kind: k, Header: b}); return err },
		KindMessage:         func(b []byte, k Kind) error { _, err := ParseHeader(&Entry{Kind: k, Header: b}); return err },
		KindAcknowledgement: func(b []byte, k Kind) error { _, err := ParseAcknowledgement(&Entry{Kind: k, Header: b}); return err },
		KindCoverage:        func(b []byte, k Kind) error { _, err := ParseCoverage(&Entry{Kind: k, Header: b}); return err },
	} {
		good := map[Kind][]byte{KindLink: Marshal(sampleLink()), KindMessage: Marshal(sampleHeader()),
			KindAcknowledgement: Marshal(sampleAcknowledgement()), KindCoverage: Marshal(sampleCoverage())}[k]
		for other := range Kind(6) {
			if err := parse(good, other); (err == nil) != (other == k) {
				t.Errorf("entry of kind %d read as kind %d: %v", other, k, err)
			}
		}
	}
}

func TestStatements(t *testing.T) {
	t.Parallel()
	public := testKey(1).Public().(ed25519.PublicKey)
	good := sampleSigned(LabelReceipt, &Receipt{Version: 1})
	if _, err := OpenStatement[Receipt](good, LabelReceipt, public); err != nil {
		t.Fatal(err)
	}
	receipt := Marshal(&Receipt{Version: 1})
	loose := slices.Concat(receipt[:1], []byte{0x18, 0x01}, receipt[2:])
	renamed, err := ParseSigned(good)
	if err != nil {
		t.Fatal(err)
	}
	renamed.Signature.Key[0] ^= 1
	for n, want := range map[int]error{MaxHeader: nil, MaxHeader + 1: ErrFormat} {
		room := n - len(signBytes(LabelReceipt, make([]byte, 256))) + 256
		if raw := signBytes(LabelReceipt, make([]byte, room)); len(raw) != n {
			t.Fatalf("statement of %d bytes", len(raw))
		} else if _, err := ParseSigned(raw); !errors.Is(err, want) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	type login struct { // a statement outside this package, which has no version
		_     struct{} `cbor:",toarray"`
		Nonce []byte
	}
	if _, err := OpenStatement[login](sampleSigned("login", &login{Nonce: []byte{1}}), "login", public); err != nil {
		t.Errorf("a statement without a version: %v", err)
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1
	for name, x := range map[string]struct {
		raw   []byte
		label string
		key   ed25519.PublicKey
		want  error
	}{
		"label":         {good, LabelRefusal, public, ErrFormat},
		"key":           {good, LabelReceipt, testKey(2).Public().(ed25519.PublicKey), ErrSignature},
		"signature":     {flipped, LabelReceipt, public, ErrSignature},
		"version":       {sampleSigned(LabelReceipt, &Receipt{Version: 2}), LabelReceipt, public, ErrFormat},
		"other body":    {sampleSigned(LabelReceipt, &Confirmation{Version: 1}), LabelReceipt, public, ErrFormat},
		"not canonical": {signBytes(LabelReceipt, loose), LabelReceipt, public, ErrFormat},
		"key id":        {Marshal(renamed), LabelReceipt, public, ErrSignature},
	} {
		if _, err := OpenStatement[Receipt](x.raw, x.label, x.key); !errors.Is(err, x.want) {
			t.Errorf("%s: %v, want %v", name, err, x.want)
		}
	}
	for label, v := range map[string]any{LabelRefusal: &Refusal{}, LabelApproval: &Approval{}, LabelConfirmation: &Confirmation{}} {
		raw := sampleSigned(label, v)
		_, a := OpenStatement[Refusal](raw, label, public)
		_, b := OpenStatement[Approval](raw, label, public)
		_, c := OpenStatement[Confirmation](raw, label, public)
		if a == nil || b == nil || c == nil {
			t.Errorf("took a %s of version 0", label)
		}
	}
}

func TestOrderShape(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"version": Marshal(&ReleaseOrder{Version: 2}), "other order": Marshal(&RuleOrder{Version: 1}),
		"too big": Marshal(&ReleaseOrder{Version: 1, Reason: string(make([]byte, 1<<20))}),
	} {
		if _, err := ParseOrder[ReleaseOrder](b); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for n, want := range map[int]error{1 << 20: nil, 1<<20 + 1: ErrFormat} {
		order := ReleaseOrder{Version: 1, Reason: strings.Repeat("r", n)}
		order.Reason = order.Reason[:2*n-len(Marshal(&order))]
		if b := Marshal(&order); len(b) != n {
			t.Fatalf("order of %d bytes", len(b))
		} else if _, err := ParseOrder[ReleaseOrder](b); !errors.Is(err, want) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for _, b := range [][]byte{Marshal(&HoldOrder{}), Marshal(&RuleOrder{}), Marshal(&DisposalPlan{}), Marshal(&ExportOrder{}), Marshal(&HandoverOrder{})} {
		_, e1 := ParseOrder[HoldOrder](b)
		_, e2 := ParseOrder[RuleOrder](b)
		_, e3 := ParseOrder[DisposalPlan](b)
		_, e4 := ParseOrder[ExportOrder](b)
		_, e5 := ParseOrder[HandoverOrder](b)
		if e1 == nil || e2 == nil || e3 == nil || e4 == nil || e5 == nil {
			t.Errorf("took an order of version 0: %x", b)
		}
	}
}

func TestParty(t *testing.T) {
	t.Parallel()
	if p := (Party{Key: []byte{1}, User: UserID(h(1)), Recipient: []byte{1}}); p.ID() != KeyOf([]byte{1}) {
		t.Error("a party with a key is not named by it")
	}
	a, b := ChannelID(h(1)), ChannelID(h(2))
	if p := (Party{}); !p.Covers(a) {
		t.Error("an empty scope is not every channel")
	}
	if p := (Party{Scope: []ChannelID{a}}); !p.Covers(a) || p.Covers(b) {
		t.Error("a scope of one channel")
	}
}

func TestCompareRecipient(t *testing.T) {
	t.Parallel()
	rising := []Recipient{{Kind: RecipientMember, ID: h(2)}, {Kind: RecipientMember, ID: h(3)}, {Kind: RecipientRecorder, ID: h(1)}, {Kind: RecipientRecorder, ID: h(4)}}
	for i, a := range rising {
		for j, b := range rising {
			if (CompareRecipient(a, b) < 0) != (i < j) || (CompareRecipient(a, b) > 0) != (i > j) {
				t.Errorf("%d and %d: %d", i, j, CompareRecipient(a, b))
			}
		}
	}
}

// TestSigningInput keeps a signature to its kind, header and payload.
func TestSigningInput(t *testing.T) {
	t.Parallel()
	k := testKey(1)
	public := k.Public().(ed25519.PublicKey)
	sign := func(e *Entry) {
		e.Signatures = []Signature{{Key: KeyOf(public), Bytes: ed25519.Sign(k, SigningInput(e.Kind, SumBytes(e.Header), SumBytes(e.Payload)))}}
	}
	for name, edit := range map[string]func(*Entry){
		"kind":      func(e *Entry) { e.Kind = KindCoverage },
		"header":    func(e *Entry) { e.Header[0] ^= 1 },
		"payload":   func(e *Entry) { e.Payload[0] ^= 1 },
		"key":       func(e *Entry) { e.Signatures[0].Key[0] ^= 1 },
		"signature": func(e *Entry) { e.Signatures[0].Bytes[0] ^= 1 },
	} {
		e := sampleEntry(KindMessage)
		sign(e)
		before := e.Hash()
		if err := e.Verify(public); err != nil {
			t.Fatal(err)
		}
		edit(e)
		if err := e.Verify(public); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
		if e.Hash() == before {
			t.Errorf("%s: the same hash", name)
		}
	}
}
