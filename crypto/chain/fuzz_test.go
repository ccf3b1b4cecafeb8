package chain

import (
	"reflect"
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/fuzztest"
	"chancery/crypto/seal"
)

// FuzzChains gives bytes to everything that reads another's entry. Whatever is
// refused has a name, and judging changes nothing.
func FuzzChains(f *testing.F) {
	fuzztest.Seed(f, "worlds.json", "chains.json")
	w := settled(f, envelope.CaptureRequired)
	f.Fuzz(func(t *testing.T, b []byte) {
		before := w.c.snapshot()
		fuzztest.Bounded(t, len(b), func() {
			if p, err := envelope.ParsePlaced(b); err == nil {
				_, err := NewChannel(w, p)
				named(t, err, w.c.Judge(&p.Entry, w.now))
			}
			if e, err := envelope.ParseEntry(b); err == nil {
				_, org := NewOrg(e)
				_, user := NewUser(w.org, e)
				named(t, org, user, w.org.Try(e), w.bob.Try(e), w.c.Judge(e, w.now))
			}
		})
		if !reflect.DeepEqual(before, w.c.snapshot()) {
			t.Error("judging changed the channel")
		}
	})
}

// FuzzSigned gives headers that a member, a recorder and the roots signed, so
// that the rules behind the signature are reached.
func FuzzSigned(f *testing.F) {
	w := settled(f, envelope.CaptureRequired)
	for _, e := range []*envelope.Entry{w.post(w.bob), w.remove(w.alice, w.bob), w.add(w.alice, w.dave), w.rank(w.alice, w.bob, envelope.RankOwner),
		w.epoch(w.alice), w.ack(w.recorder), w.cover(w.recorder), w.removeByKey(w.bob), w.restore(func(*envelope.RestoreBody) {}),
		w.orgLink(envelope.OrgDelist, &envelope.DelistBody{Role: envelope.RoleRemoval, Party: w.removal.ID()}), w.device(w.bob, key("phone"))} {
		f.Add(uint8(e.Kind), e.Header)
	}
	signers := [][]*seal.SigningKey{{w.alice.device}, {w.bob.device}, {w.recorder}, {w.removal}, w.roots[:2], {w.bob.device, key("phone")}}
	f.Fuzz(func(t *testing.T, kind uint8, header []byte) {
		e := &envelope.Entry{Kind: envelope.Kind(kind), Header: header}
		if e.Kind == envelope.KindMessage {
			e.Payload = make([]byte, 188)
		}
		for _, keys := range signers {
			signed(e, keys...)
			fuzztest.Bounded(t, len(header), func() {
				named(t, w.c.Judge(e, w.now), w.org.Try(e), w.bob.Try(e))
			})
		}
	})
}

func named(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil && ReasonOf(err) == "" {
			t.Errorf("refused without a reason: %v", err)
		}
	}
}
