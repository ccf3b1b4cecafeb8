package chain

import (
	"bytes"
	"fmt"
	"slices"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// userLink is the next link of p's chain, signed by keys, the first of whom it names.
func (w *world) userLink(p *person, kind envelope.LinkType, body any, keys ...*seal.SigningKey) *envelope.Entry {
	l := w.next(&p.spine, kind, body)
	l.User, l.Key = p.ID(), keys[0].ID()
	return linkEntry(l, keys...)
}

// newKey is p's next key, for holders. No rule looks into wraps or the seed before.
func newKey(p *person, holders []Holder) envelope.KeyBody {
	k := envelope.KeyBody{Generation: p.Generation() + 1, Previous: make([]byte, sealedSeed)}
	k.Recipient = fmt.Appendf(nil, "recipient %d of %s", k.Generation, p.ID())
	for _, h := range holders {
		k.Wraps = append(k.Wraps, envelope.Sum("wrap", h.ID))
	}
	return k
}

func (w *world) renew(p *person) *envelope.Entry {
	k := newKey(p, Holders(p.Devices(), p.Recovery()))
	return w.userLink(p, envelope.UserKey, &k, p.device)
}

// revoke is the link by which p's first device ends another one.
func (w *world) revoke(p *person, ended envelope.KeyID) *envelope.Entry {
	return w.userLink(p, envelope.DeviceEnd, &envelope.DeviceEndBody{Device: ended,
		Key: newKey(p, Holders(without(p.Devices(), ended), p.Recovery()))}, p.device)
}

func (w *world) kit(p *person, k *seal.SigningKey) *envelope.Entry {
	kit := envelope.RecoveryKey{Key: k.Public(), Recipient: []byte("kit's recipient")}
	return w.userLink(p, envelope.Recovery, &envelope.RecoveryBody{Stand: []envelope.RecoveryKey{kit},
		Key: newKey(p, Holders(p.Devices(), &kit))}, p.device, k)
}

// recover is what p's recovery key says: one device more, others revoked.
func (w *world) recover(p *person, kit *seal.SigningKey, add *seal.SigningKey, ended ...envelope.KeyID) *envelope.Entry {
	b, keys := envelope.RecoverBody{End: slices.SortedFunc(slices.Values(ended), envelope.CompareKey)}, []*seal.SigningKey{kit}
	if add != nil {
		wrap := envelope.Sum("wrap", add.ID())
		b.Add, keys = []envelope.DeviceBody{{Name: "new", Key: add.Public(), Recipient: []byte("new recipient"), Wrap: wrap}}, append(keys, add)
	}
	b.Key = newKey(p, Holders(slices.Concat(without(p.Devices(), ended...), b.Add), nil))
	return w.userLink(p, envelope.Recover, &b, keys...)
}

// restart is the genesis by which p starts again, and the link that ends the
// chain before.
func (w *world) restart(p *person, name string) (genesis, end *envelope.Entry) {
	k := key(name + "'s device")
	b := envelope.UserGenesisBody{Suite: w.suite, Recipient: []byte(name + "'s recipient"), Nonce: nonce(name),
		Device: envelope.DeviceBody{Name: "laptop", Key: k.Public(), Recipient: []byte("device recipient")},
		Replaces: []envelope.Replaced{{User: p.ID(), Seq: p.Seq(), Head: p.Head(),
			OrgSeq: w.org.Seq(), OrgHead: w.org.Head(), Officer: w.officer.ID()}}}
	genesis = linkEntry(&envelope.Link{Org: w.org.ID(), Type: envelope.UserGenesis, Body: envelope.Marshal(&b), Key: k.ID(), Time: w.now}, k, w.officer)
	return genesis, w.ending(p, envelope.UserID(envelope.ChainOf(genesis.Header)), w.officer)
}

func (w *world) ending(p *person, successor envelope.UserID, by *seal.SigningKey, edits ...func(*envelope.ResetBody)) *envelope.Entry {
	b := envelope.ResetBody{Successor: successor, OrgSeq: w.org.Seq(), OrgHead: w.org.Head()}
	for _, edit := range edits {
		edit(&b)
	}
	l := w.next(&p.spine, envelope.UserReset, &b)
	l.Key = by.ID()
	return linkEntry(l, by)
}

// edited is a link whose body was changed, signed anew by keys.
func edited[T any](w *world, e *envelope.Entry, edit func(*T), keys ...*seal.SigningKey) *envelope.Entry {
	l, err := envelope.ParseLink(e)
	w.must(err)
	b, err := envelope.ParseBody[T](l)
	w.must(err)
	edit(b)
	l.Body = bytes.Clone(envelope.Marshal(b))
	return linkEntry(l, keys...)
}
