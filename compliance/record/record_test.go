package record

import (
	"bytes"
	"errors"
	"testing"

	"chancery/crypto/envelope"
)

func sample(id int64) Record {
	r := Record{
		Version: envelope.Version, ID: id, Op: MessageCreate, Outcome: OK, At: 1_700_000_000_000_000 + id,
		Org: envelope.OrgID{1}, Actor: 7, User: envelope.UserID{2}, Device: envelope.KeyID{3},
		Decision: "d-1", Generation: 4, Detail: []byte(`{"a":1,"b":["x"]}`),
	}
	e := envelope.Entry{Kind: envelope.KindMessage, Header: []byte("header"), Payload: []byte("sealed")}
	r.SetEntry(envelope.ChannelID{9}, uint64(id), envelope.SumBytes([]byte("head")), &e)
	return r
}

func TestLeafComesBack(t *testing.T) {
	t.Parallel()
	r := sample(5)
	got, err := Parse(r.Leaf())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Leaf(), r.Leaf()) || got.PayloadLen != 6 {
		t.Fatalf("got %+v", got)
	}
}

// A disposed payload must not change the leaf.
func TestLeafOutlivesPayload(t *testing.T) {
	t.Parallel()
	r := sample(5)
	before := r.LeafHash()
	disposed := envelope.Placed{
		Entry: envelope.Entry{Kind: envelope.KindMessage, Header: []byte("header")}, Payload: envelope.SumBytes([]byte("sealed")),
	}
	r.Entry, r.Header, r.Payload = disposed.Hash(), envelope.SumBytes(disposed.Entry.Header), disposed.Payload
	if r.LeafHash() != before {
		t.Fatal("the leaf needs the payload")
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(*Record){
		"version":            func(r *Record) { r.Version = 2 },
		"unknown operation":  func(r *Record) { r.Op = "msg.steal" },
		"unknown outcome":    func(r *Record) { r.Outcome = "perhaps" },
		"no id":              func(r *Record) { r.ID = 0 },
		"position, no entry": func(r *Record) { r.Entry = envelope.Hash{} },
		"position, no head":  func(r *Record) { r.Head = envelope.Hash{} },
		"head, no position":  func(r *Record) { r.Position = 0 },
		"detail with spaces": func(r *Record) { r.Detail = []byte(`{"a": 1}`) },
		"detail no object":   func(r *Record) { r.Detail = []byte(`[1]`) },
		"detail twice":       func(r *Record) { r.Detail = []byte(`{"a":1,"a":1}`) },
		"detail fraction":    func(r *Record) { r.Detail = []byte(`{"a":1.5}`) },
		"detail too long":    func(r *Record) { r.Detail = bytes.Repeat([]byte("x"), MaxDetail+1) },
		"object too long":    func(r *Record) { r.Object = string(bytes.Repeat([]byte("x"), maxText+1)) },
	} {
		r := sample(5)
		damage(&r)
		if _, err := Parse(r.Leaf()); !errors.Is(err, envelope.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCatalogueIsWhole(t *testing.T) {
	t.Parallel()
	if len(known) != len(Ops) {
		t.Errorf("%d operations, %d of them different", len(Ops), len(known))
	}
	if MessageCreate.Class() != "msg" || !PolicyDeny.Known() || Op("pol").Known() {
		t.Error("class or catalogue")
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   any
		want string
	}{
		{map[string]any{"b": 1, "a": []string{"<&>", "\u2028\u0001\n\"é"}}, `{"a":["<&>","` + "\u2028" + `\u0001\n\"é"],"b":1}`},
		{struct {
			Z bool
			A *int
		}{true, nil}, `{"A":null,"Z":true}`},
		{map[string]int64{"n": -maxInteger}, `{"n":-9007199254740991}`},
	} {
		got, err := JSON(c.in)
		if err != nil || string(got) != c.want {
			t.Errorf("%v: got %s, %v; want %s", c.in, got, err, c.want)
		}
	}
	for _, in := range []any{1.5, map[string]int{"é": 1}, int64(1) << 53, func() {}} {
		if got, err := JSON(in); !errors.Is(err, ErrJSON) {
			t.Errorf("%T: got %s, %v", in, got, err)
		}
	}
}
