package envelope

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"filippo.io/edwards25519"

	"chancery/crypto/vectors"
)

// verdict names an error as the vectors do.
func verdict(err error) string {
	for name, sentinel := range map[string]error{"malformed": ErrFormat, "bad_key": ErrKey, "bad_signature": ErrSignature} {
		if errors.Is(err, sentinel) {
			return name
		}
	}
	if err == nil {
		return "ok"
	}
	return err.Error()
}

type cborVector struct {
	Name  string      `json:"name"`
	Kind  string      `json:"kind"`
	Bytes vectors.Hex `json:"bytes"`
	Want  string      `json:"want"`
}

// cborVectors takes each format whole, and with one item of it, drawn by lot,
// in each way that no decoder may take.
func cborVectors() (list []cborVector) {
	random := rand.New(rand.NewPCG(1, 1))
	for _, f := range formats() {
		add := func(name string, b []byte, want string) { list = append(list, cborVector{name, f.name, b, want}) }
		add("canonical", f.good, "ok")
		add("a byte after", append(bytes.Clone(f.good), 0), "malformed")
		add("cut", f.good[:1+random.IntN(len(f.good)-1)], "malformed")
		add("one field more", slices.Concat([]byte{f.good[0] + 1}, f.good[1:], []byte{0}), "malformed")
		add("one field less", slices.Concat([]byte{f.good[0] - 1}, f.good[1:lastField(f.good, items(f.good, 0)[0])]), "malformed")
		ways := map[string][]cborVector{}
		for _, x := range items(f.good, 0) {
			for name, other := range x.otherwise(f.good) {
				b := slices.Concat(f.good[:x.at], other, f.good[x.end:])
				ways[name] = append(ways[name], cborVector{fmt.Sprintf("%s at byte %d", name, x.at), f.name, b, "malformed"})
			}
		}
		for _, name := range slices.Sorted(maps.Keys(ways)) {
			list = append(list, ways[name][random.IntN(len(ways[name]))])
		}
	}
	return list
}

func TestCBORVectors(t *testing.T) {
	t.Parallel()
	parse := map[string]func([]byte) (any, error){}
	for _, f := range formats() {
		parse[f.name] = f.parse
	}
	const about = "canonical CBOR (encoding.md): bytes of the format that kind names; link, header, coverage and acknowledgement are headers of entries"
	for _, v := range vectors.Keep(t, "cbor.json", about, cborVectors()) {
		if _, err := parse[v.Kind](v.Bytes); verdict(err) != v.Want {
			t.Errorf("%s, %s: %v, want %s", v.Kind, v.Name, err, v.Want)
		}
	}
}

type signatureVector struct {
	Name      string      `json:"name"`
	Kind      string      `json:"kind"`
	Key       vectors.Hex `json:"key"`
	Message   vectors.Hex `json:"message,omitempty"`
	Signature vectors.Hex `json:"signature,omitempty"`
	Want      string      `json:"want"`
}

// keyVectors are public keys to take or to refuse before any signature is looked at.
func keyVectors() (list []signatureVector) {
	good := testKey(1).Public().(ed25519.PublicKey)
	add := func(name string, key []byte, want string) {
		list = append(list, signatureVector{Name: name, Kind: "key", Key: key, Want: want})
	}
	add("good", good, "ok")
	add("good, another", testKey(2).Public().(ed25519.PublicKey), "ok")
	add("empty", nil, "bad_key")
	add("31 bytes", good[:31], "bad_key")
	add("33 bytes", append(bytes.Clone(good), 0), "bad_key")
	add("not on the curve", bytes.Repeat([]byte{2}, 32), "bad_key")
	for i, text := range smallOrder {
		raw := mustHex(text)
		add(fmt.Sprintf("small order or not canonical, %d", i+1), raw, "bad_key")
		if i > 0 && i < 8 { // the first eight are canonical, the very first is the identity
			add(fmt.Sprintf("mixed order, %d", i), sum(good, raw), "bad_key")
		}
	}
	return list
}

func mustHex(text string) []byte {
	raw, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return raw
}

// sum adds two points of the curve.
func sum(a, b []byte) []byte {
	p, err := new(edwards25519.Point).SetBytes(a)
	if err != nil {
		panic(err)
	}
	q, err := new(edwards25519.Point).SetBytes(b)
	if err != nil {
		panic(err)
	}
	return new(edwards25519.Point).Add(p, q).Bytes()
}

func signatureVectors() (list []signatureVector) {
	private := testKey(1)
	key, message := private.Public().(ed25519.PublicKey), []byte("a message")
	good := ed25519.Sign(private, message)
	identity := mustHex(smallOrder[0])
	add := func(name string, key, message, signature []byte, want string) {
		list = append(list, signatureVector{name, "signature", key, message, signature, want})
	}
	add("good", key, message, good, "ok")
	add("good, of nothing", key, nil, ed25519.Sign(private, nil), "ok")
	add("another message", key, []byte("a messagf"), good, "bad_signature")
	add("another key", testKey(2).Public().(ed25519.PublicKey), message, good, "bad_signature")
	add("S + L", key, message, slices.Concat(good[:32], addOrder(good[32:])), "bad_signature")
	add("S of zero", key, message, slices.Concat(good[:32], make([]byte, 32)), "bad_signature")
	add("R of zero", key, message, slices.Concat(make([]byte, 32), good[32:]), "bad_signature")
	add("R the identity", key, message, slices.Concat(identity, good[32:]), "bad_signature")
	add("R with a part of small order", key, message, slices.Concat(sum(good[:32], mustHex(smallOrder[4])), good[32:]), "bad_signature")
	add("halves exchanged", key, message, slices.Concat(good[32:], good[:32]), "bad_signature")
	add("identity key signs anything", identity, message, slices.Concat(identity, make([]byte, 32)), "bad_key")
	for _, n := range []int{0, 32, 63} {
		add(fmt.Sprintf("%d bytes", n), key, message, good[:n], "bad_signature")
	}
	add("65 bytes", key, message, append(bytes.Clone(good), 0), "bad_signature")
	for _, at := range []int{0, 31, 32, 63} {
		flipped := bytes.Clone(good)
		flipped[at] ^= 1
		add(fmt.Sprintf("bit of byte %d", at), key, message, flipped, "bad_signature")
	}
	return list
}

func TestSignatureVectors(t *testing.T) {
	t.Parallel()
	const about = "strict Ed25519 (encoding.md): public keys, and signatures under them"
	for _, v := range vectors.Keep(t, "ed25519.json", about, append(keyVectors(), signatureVectors()...)) {
		err := CheckPublicKey(v.Key)
		if v.Kind == "signature" {
			err = VerifySignature(v.Key, v.Message, v.Signature)
		}
		if verdict(err) != v.Want {
			t.Errorf("%s, %s: %v, want %s", v.Kind, v.Name, err, v.Want)
		}
	}
}

// part is one value in a frame; one member is there.
type part struct {
	Bytes *vectors.Hex `json:"bytes,omitempty"`
	Int   *uint64      `json:"int,omitempty"`
	Bool  *bool        `json:"bool,omitempty"`
}

type frameVector struct {
	Name  string      `json:"name"`
	Kind  string      `json:"kind"`
	Label string      `json:"label"`
	Parts []part      `json:"parts"`
	Frame vectors.Hex `json:"frame"`
	Sum   vectors.Hex `json:"sum"`
}

func newFrame(name, label string, parts ...any) frameVector {
	v := frameVector{Name: name, Kind: "frame", Label: label, Parts: []part{}, Frame: Frame(label, parts...)}
	for _, p := range parts {
		switch p := p.(type) {
		case []byte:
			v.Parts = append(v.Parts, part{Bytes: (*vectors.Hex)(&p)})
		case Hash:
			b := vectors.Hex(p[:])
			v.Parts = append(v.Parts, part{Bytes: &b})
		case int:
			n := uint64(p)
			v.Parts = append(v.Parts, part{Int: &n})
		case bool:
			v.Parts = append(v.Parts, part{Bool: &p})
		}
	}
	s := Sum(label, parts...)
	v.Sum = s[:]
	return v
}

func frameVectors() []frameVector {
	key := []byte(testKey(1).Public().(ed25519.PublicKey))
	e := sampleEntry(KindLink)
	signatures, blob := Marshal(e.Signatures), bytes.Repeat([]byte{9}, 16)
	return []frameVector{
		newFrame("key id", "key", 1, key),
		newFrame("key id of P-384", "key", 2, append([]byte{4}, make([]byte, 96)...)),
		newFrame("info of the message key", "key"),
		newFrame("chain id", "chain", e.Header),
		newFrame("what signs an entry", "sign", int(e.Kind), SumBytes(e.Header), SumBytes(nil)),
		newFrame("entry hash", "entry", int(e.Kind), SumBytes(e.Header), SumBytes(nil), signatures),
		newFrame("party without key", "party", h(1)),
		newFrame("recipient id", "recipient", []byte("age1pq1…")),
		newFrame("head 0", "head0", h(1)),
		newFrame("head", "head", h(1), 24, 1763800000000000, h(2)),
		newFrame("recipient leaf", "recipient-leaf", 1, h(1), 1, []byte("age1pq1…")),
		newFrame("wrap leaf", "wrap-leaf", 2, h(1), 0, []byte("age1pq1…"), h(2)),
		newFrame("coverage leaf", "cover-leaf", 65536, h(1), bytes.Repeat([]byte{3}, 32)),
		newFrame("salt commit", "salt", bytes.Repeat([]byte{5}, 32)),
		newFrame("chunk", "chunk", blob, 300, true),
		newFrame("chunk, not the last", "chunk", blob, 255, false),
		newFrame("statement", "statement", h(1)),
		newFrame("order id", "order", Marshal(&ReleaseOrder{Version: 1, Reason: "r"})),
		newFrame("info of the user identity", "user-identity"),
		newFrame("number of eight bytes", "commit", h(1), 1<<32),
	}
}

// TestFrameVectors holds the functions that name things to the frames.
func TestFrameVectors(t *testing.T) {
	t.Parallel()
	e := sampleEntry(KindLink)
	member := Recipient{Kind: RecipientMember, ID: h(1), Generation: 1, Public: []byte("age1pq1…")}
	recorder := Recipient{Kind: RecipientRecorder, ID: h(1), Public: []byte("age1pq1…")}
	sums := map[string]Hash{}
	for _, v := range vectors.Keep(t, "frames.json", "frames and their SHA-256 (encoding.md): label and parts give frame and sum", frameVectors()) {
		var parts []any
		for _, p := range v.Parts {
			switch {
			case p.Bytes != nil:
				parts = append(parts, []byte(*p.Bytes))
			case p.Int != nil:
				parts = append(parts, *p.Int)
			case p.Bool != nil:
				parts = append(parts, *p.Bool)
			}
		}
		if sum := Sum(v.Label, parts...); !bytes.Equal(Frame(v.Label, parts...), v.Frame) || !bytes.Equal(sum[:], v.Sum) {
			t.Errorf("%s: another frame or sum", v.Name)
		}
		sums[v.Name] = Hash(v.Sum)
	}
	for name, got := range map[string]Hash{
		"key id":              Hash(KeyOf(testKey(1).Public().(ed25519.PublicKey))),
		"key id of P-384":     Hash(KeyOf(append([]byte{4}, make([]byte, 96)...))),
		"what signs an entry": SumBytes(SigningInput(KindLink, SumBytes(e.Header), SumBytes(nil))),
		"party without key":   Hash((&Party{User: UserID(h(1)), Recipient: []byte("age1pq1…")}).ID()),
		"recipient id":        Hash((&Party{Recipient: []byte("age1pq1…")}).ID()),
		"recipient leaf":      SumBytes(member.RecipientLeaf()), "wrap leaf": SumBytes(recorder.WrapLeaf(h(2))),
		"coverage leaf": SumBytes(CoverLeaf(65536, h(1), bytes.Repeat([]byte{3}, 32))),
		"chain id":      ChainOf(e.Header),
		"entry hash":    (&Entry{Kind: KindLink, Header: e.Header, Signatures: e.Signatures}).Hash(),
		"head":          NextHead(h(1), 24, 1763800000000000, h(2)), "salt commit": SaltCommit(bytes.Repeat([]byte{5}, 32)),
		"order id": OrderHash(Marshal(&ReleaseOrder{Version: 1, Reason: "r"})),
	} {
		if sums[name] != got {
			t.Errorf("%s: %s, the frame says %s", name, got, sums[name])
		}
	}
}

type statementVector struct {
	Name  string      `json:"name"`
	Kind  string      `json:"kind"` // the label that the reader expects
	Key   vectors.Hex `json:"key"`
	Bytes vectors.Hex `json:"bytes"`
	Want  string      `json:"want"`
}

func statementVectors() (list []statementVector) {
	org, user, device := OrgID(h(1)), UserID(h(2)), KeyID(h(3))
	shapes := map[string]func(version uint) any{
		LabelReceipt: func(v uint) any {
			return &Receipt{Version: v, Org: org, Channel: ChannelID(h(4)), Device: device, DeviceSeq: 1, Entry: h(5), Position: 7, Head: h(6), Received: 1}
		},
		LabelRefusal: func(v uint) any {
			return &Refusal{Version: v, Org: org, Channel: ChannelID(h(4)), Device: device, DeviceSeq: 1, Entry: h(5), Code: "not_member", Time: 1}
		},
		LabelApproval: func(v uint) any {
			return &Approval{Version: v, Org: org, Action: "hold.approve", Object: h(4), User: user, Device: device, Time: 1}
		},
		LabelConfirmation: func(v uint) any {
			return &Confirmation{Version: v, Org: org, Plan: h(4), Recorder: device, Disposed: 1, Time: 1}
		},
		LabelTail:    func(v uint) any { return sampleNotice(v, user, sampleTail()) },
		LabelAlarm:   func(v uint) any { return sampleNotice(v, UserID{}, sampleAlarm()) },
		LabelDispute: func(v uint) any { return sampleNotice(v, user, sampleDispute()) },
		LabelRuling:  func(v uint) any { return sampleNotice(v, user, sampleRuling()) },
	}
	key, other := testKey(1).Public().(ed25519.PublicKey), testKey(2).Public().(ed25519.PublicKey)
	labels := slices.Sorted(maps.Keys(shapes))
	for i, label := range labels {
		add := func(name string, key, b []byte, want string) {
			list = append(list, statementVector{name, label, key, b, want})
		}
		good := sampleSigned(label, shapes[label](1))
		foreign := labels[(i+1)%len(labels)]
		relabelled := mustSigned(good)
		relabelled.Label = foreign
		flipped := mustSigned(good)
		flipped.Signature.Bytes[40] ^= 1
		changed := mustSigned(good)
		changed.Bytes[len(changed.Bytes)-1] ^= 1
		renamed := mustSigned(good)
		renamed.Signature.Key[0] ^= 1
		add("good", key, good, "ok")
		add("another key", other, good, "bad_signature")
		add("another label", key, sampleSigned(foreign, shapes[foreign](1)), "malformed")
		add("label changed", key, Marshal(relabelled), "malformed")
		add("signed under another label", key, Marshal(&Signed{Label: label, Bytes: relabelled.Bytes,
			Signature: mustSigned(signBytes(foreign, relabelled.Bytes)).Signature}), "bad_signature")
		add("signature changed", key, Marshal(flipped), "bad_signature")
		add("statement changed", key, Marshal(changed), "bad_signature")
		add("key id changed", key, Marshal(renamed), "bad_signature")
		add("another version", key, sampleSigned(label, shapes[label](2)), "malformed")
		add("another statement's fields", key, sampleSigned(label, shapes[foreign](1)), "malformed")
		add("a byte after", key, append(bytes.Clone(good), 0), "malformed")
		add("length written otherwise", key, slices.Concat(items(good, 0)[0].longer(), good[1:]), "malformed")
	}
	return append(list, noticeVectors(key, user)...)
}

// noticeVectors are notices that nobody may say like this.
func noticeVectors(key []byte, user UserID) (list []statementVector) {
	add := func(name, label string, by UserID, body any, want string) {
		list = append(list, statementVector{name, label, key, sampleSigned(label, sampleNotice(1, by, body)), want})
	}
	alarm := func(code AlarmCode, device KeyID, number uint64) *Alarm {
		return &Alarm{Code: code, Device: device, Number: number, Hash: h(4)}
	}
	device, nobody := KeyID(h(3)), UserID{}
	add("by a recorder", LabelTail, nobody, sampleTail(), "malformed")
	add("of no message", LabelTail, user, &Tail{Seen: Ref{Position: 1}}, "malformed")
	add("that saw nothing", LabelTail, user, &Tail{Seq: 1}, "malformed")
	add("by a recorder", LabelDispute, nobody, sampleDispute(), "malformed")
	add("of no coverage", LabelDispute, user, &Dispute{}, "malformed")
	add("by a recorder", LabelRuling, nobody, sampleRuling(), "malformed")
	add("of another fault", LabelRuling, user, &Ruling{Coverage: Ref{Position: 9}, Fault: "nobody"}, "malformed")
	add("uncovered, by a device", LabelAlarm, user, alarm(AlarmUncovered, KeyID{}, 5), "ok")
	add("uncovered, by a recorder", LabelAlarm, nobody, alarm(AlarmUncovered, KeyID{}, 5), "malformed")
	add("uncovered, of a device", LabelAlarm, user, alarm(AlarmUncovered, device, 5), "malformed")
	for _, code := range []AlarmCode{AlarmDropped, AlarmForked, AlarmSilent} {
		add(string(code)+", by a recorder", LabelAlarm, nobody, alarm(code, device, 5), "ok")
		add(string(code)+", by a device", LabelAlarm, user, alarm(code, device, 5), "malformed")
		add(string(code)+", of no device", LabelAlarm, nobody, alarm(code, KeyID{}, 5), "malformed")
		add(string(code)+", of no number", LabelAlarm, nobody, alarm(code, device, 0), "malformed")
	}
	add("of an unknown code", LabelAlarm, user, alarm("weather", KeyID{}, 5), "malformed")
	other := sampleNotice(1, user, sampleTail())
	other.Key = device
	list = append(list, statementVector{"names another key", LabelTail, key, sampleSigned(LabelTail, other), "malformed"})
	return list
}

func mustSigned(b []byte) *Signed {
	s, err := ParseSigned(b)
	if err != nil {
		panic(err)
	}
	return s
}

func TestStatementVectors(t *testing.T) {
	t.Parallel()
	open := map[string]func(b, key []byte) error{
		LabelReceipt:      opened[Receipt](LabelReceipt),
		LabelRefusal:      opened[Refusal](LabelRefusal),
		LabelApproval:     opened[Approval](LabelApproval),
		LabelConfirmation: opened[Confirmation](LabelConfirmation),
	}
	for _, label := range []string{LabelTail, LabelAlarm, LabelDispute, LabelRuling} {
		open[label] = func(b, key []byte) error { _, _, err := OpenNotice(b, label, key); return err }
	}
	const about = "signed statements (statements.md): bytes that a reader of the statement kind opens under key"
	for _, v := range vectors.Keep(t, "statements.json", about, statementVectors()) {
		if err := open[v.Kind](v.Bytes, v.Key); verdict(err) != v.Want {
			t.Errorf("%s, %s: %v, want %s", v.Kind, v.Name, err, v.Want)
		}
	}
}

func opened[T any](label string) func(b, key []byte) error {
	return func(b, key []byte) error { _, err := OpenStatement[T](b, label, key); return err }
}
