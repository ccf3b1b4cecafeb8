package chain

import (
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

func TestRecoveryKey(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureOff)
	kit, laptop := key("kit"), w.alice.device
	good := w.kit(w.alice, kit)
	type body = envelope.RecoveryBody
	w.judged(t, w.alice, map[string]userCase{
		"as it is":      {good, ""},
		"kit unsigned":  {edited(w, good, func(*body) {}, laptop), BadSignature},
		"by the kit":    {edited(w, good, func(*body) {}, kit, key("other")), BadSignature},
		"two kits":      {edited(w, good, func(b *body) { b.Stand = append(b.Stand, b.Stand[0]) }, laptop, kit), Malformed},
		"none to end":   {edited(w, good, func(b *body) { b.Stand = nil }, laptop), NotAllowed},
		"identity key":  {edited(w, good, func(b *body) { b.Stand[0].Key = identityPoint }, laptop, kit), Malformed},
		"no recipient":  {edited(w, good, func(b *body) { b.Stand[0].Recipient = nil }, laptop, kit), Malformed},
		"device's key":  {edited(w, good, func(b *body) { b.Stand[0].Key = laptop.Public() }, laptop, kit), Duplicate},
		"no wrap to it": {edited(w, good, func(b *body) { b.Key.Wraps = b.Key.Wraps[:1] }, laptop, kit), KeyBad},
	})
	w.must(w.alice.Apply(good))
	ended := edited(w, w.kit(w.alice, key("second kit")), func(b *body) { b.Stand, b.Key.Wraps = nil, b.Key.Wraps[:1] }, laptop)
	w.judged(t, w.alice, map[string]userCase{
		"same again": {w.kit(w.alice, kit), Duplicate},
		"ended":      {ended, ""},
	})
	w.must(w.alice.Apply(w.kit(w.alice, key("second kit"))))
	w.judged(t, w.alice, map[string]userCase{
		"replaced": {w.recover(w.alice, kit, key("new laptop")), DeviceUnknown},
		"stands":   {w.recover(w.alice, key("second kit"), key("new laptop")), ""},
	})
}

func TestRecovered(t *testing.T) {
	t.Parallel()
	w, phone := withPhone(t)
	kit, fresh, laptop := key("kit"), key("new laptop"), w.alice.device.ID()
	w.must(w.alice.Apply(w.kit(w.alice, kit)))
	good := w.recover(w.alice, kit, fresh, phone.ID(), laptop)
	type body = envelope.RecoverBody
	w.judged(t, w.alice, map[string]userCase{
		"as it is":         {good, ""},
		"adds alone":       {w.recover(w.alice, kit, fresh), ""},
		"revokes alone":    {w.recover(w.alice, kit, nil, laptop), ""},
		"leaves nobody":    {w.recover(w.alice, kit, nil, laptop, phone.ID()), NotAllowed},
		"does nothing":     {w.recover(w.alice, kit, nil), Malformed},
		"adds two":         {edited(w, good, func(b *body) { b.Add = append(b.Add, b.Add[0]) }, kit, fresh), Malformed},
		"adds itself":      {edited(w, w.recover(w.alice, kit, kit), func(*body) {}, kit), Duplicate},
		"adds a device":    {w.recover(w.alice, kit, phone), Duplicate},
		"unsorted":         {edited(w, good, func(b *body) { b.End[0], b.End[1] = b.End[1], b.End[0] }, kit, fresh), Malformed},
		"ends a stranger":  {edited(w, good, func(b *body) { b.End = []envelope.KeyID{{1}} }, kit, fresh), DeviceUnknown},
		"device unsigned":  {edited(w, good, func(*body) {}, kit), BadSignature},
		"kit unsigned":     {edited(w, good, func(*body) {}, fresh, phone), BadSignature},
		"another wrap":     {edited(w, good, func(b *body) { b.Add[0].Wrap[0] ^= 1 }, kit, fresh), KeyBad},
		"keeps generation": {edited(w, good, func(b *body) { b.Key.Generation-- }, kit, fresh), KeyBad},
		"wraps to the kit": {edited(w, good, func(b *body) { b.Key.Wraps = append(b.Key.Wraps, envelope.Hash{}) }, kit, fresh), KeyBad},
	})
	w.must(w.alice.Apply(good))
	if d := w.alice.Devices(); len(d) != 1 || envelope.KeyOf(d[0].Key) != fresh.ID() || w.alice.Recovery() != nil {
		t.Fatalf("%d devices after recovery, kit %v", len(d), w.alice.Recovery())
	}
	w.judged(t, w.alice, map[string]userCase{"used twice": {w.recover(w.alice, kit, key("another")), DeviceUnknown}})
}

// TestAttack51RecoveryKey: whoever finds somebody's recovery kit can't post
// with it, add members, or do anything else with the chain than recover it once.
func TestAttack51RecoveryKey(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	kit := key("kit")
	w.must(w.alice.Apply(w.kit(w.alice, kit)))
	w.place(w.by(w.bob, envelope.Sync, syncUser(w.alice)))
	w.rotate(w.bob)
	thief := &person{kit, w.alice.User}
	w.refused(w.post(thief), DeviceUnknown)
	w.refused(w.add(thief, w.dave), DeviceUnknown)
	w.refused(w.remove(thief, w.bob), DeviceUnknown)
	w.refused(w.rank(thief, w.bob, envelope.RankOwner), DeviceUnknown)
	w.refused(w.epoch(thief), DeviceUnknown)
	w.judged(t, w.alice, map[string]userCase{
		"approves a device": {w.device(thief, key("phone")), DeviceUnknown},
		"revokes as device": {w.revoke(thief, w.alice.device.ID()), DeviceUnknown},
		"renews the key":    {w.renew(thief), DeviceUnknown},
		"makes another kit": {w.kit(thief, key("second kit")), DeviceUnknown},
		"as device":         {w.userLink(w.alice, envelope.DeviceEnd, &envelope.DeviceEndBody{Device: kit.ID()}, w.alice.device), DeviceUnknown},
	})
}

func TestReset(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureOff)
	genesis, end := w.restart(w.alice, "alice again")
	type body = envelope.UserGenesisBody
	fresh := key("alice again's device")
	for name, x := range map[string]userCase{
		"as it is":       {genesis, ""},
		"officer absent": {edited(w, genesis, func(*body) {}, fresh), BadSignature},
		"other officer":  {edited(w, genesis, func(*body) {}, fresh, key("other")), BadSignature},
		"not listed":     {edited(w, genesis, func(b *body) { b.Replaces[0].OrgSeq, b.Replaces[0].OrgHead = 0, w.org.heads[0] }, fresh, w.officer), NotListed},
		"another head":   {edited(w, genesis, func(b *body) { b.Replaces[0].OrgHead[0] ^= 1 }, fresh, w.officer), HeadUnknown},
		"receipt key":    {edited(w, genesis, func(b *body) { b.Replaces[0].Officer = w.receipts.ID() }, fresh, w.receipts), NotListed},
		"two before":     {edited(w, genesis, func(b *body) { b.Replaces = append(b.Replaces, b.Replaces[0]) }, fresh, w.officer), Malformed},
		"own officer":    {edited(w, genesis, func(b *body) { b.Replaces[0].Officer = fresh.ID() }, fresh, w.officer), Malformed},
	} {
		w.record(t.Name()+"/"+name, "user.genesis", envelope.Marshal(x.entry), x.want)
		_, err := NewUser(w.org, x.entry)
		want(t, name, err, x.want)
	}
	l, err := envelope.ParseLink(end)
	w.must(err)
	byPerson := *l
	byPerson.User = w.alice.ID()
	successor := w.bob.ID()
	w.judged(t, w.alice, map[string]userCase{
		"end":           {end, ""},
		"by device":     {w.ending(w.alice, successor, w.alice.device), NotListed},
		"by removal":    {w.ending(w.alice, successor, w.removal), NotListed},
		"by nobody":     {w.ending(w.alice, envelope.UserID{}, w.officer), Malformed},
		"by itself":     {w.ending(w.alice, w.alice.ID(), w.officer), Malformed},
		"as person":     {linkEntry(&byPerson, w.officer), Malformed},
		"too early":     {w.ending(w.alice, successor, w.officer, func(b *envelope.ResetBody) { b.OrgSeq, b.OrgHead = 0, w.org.heads[0] }), NotListed},
		"head not here": {w.ending(w.alice, successor, w.officer, func(b *envelope.ResetBody) { b.OrgSeq++ }), HeadUnknown},
	})
	w.must(w.alice.Apply(end))
	if next, ended := w.alice.Successor(); !ended || next != envelope.UserID(envelope.ChainOf(genesis.Header)) || len(w.alice.Devices()) != 0 || !w.alice.EndedAt(1) || w.alice.EndedAt(0) {
		t.Fatalf("goes on as %s, %v, %d devices", next, ended, len(w.alice.Devices()))
	}
	w.judged(t, w.alice, map[string]userCase{"after the end": {w.renew(w.alice), NotAllowed}})
}

// TestAttack35ApproverNotInChain: whoever talks a person into showing a code
// still needs a live device of the chain to sign.
func TestAttack35ApproverNotInChain(t *testing.T) {
	t.Parallel()
	w, phone := withPhone(t)
	kit, added := key("kit"), key("new phone")
	w.must(w.alice.Apply(w.kit(w.alice, kit)))
	w.must(w.alice.Apply(w.revoke(w.alice, phone.ID())))
	by := func(k *seal.SigningKey) *envelope.Entry { return w.device(&person{k, w.alice.User}, added) }
	w.judged(t, w.alice, map[string]userCase{
		"stranger":       {by(key("stranger")), DeviceUnknown},
		"bob":            {by(w.bob.device), DeviceUnknown},
		"revoked device": {by(phone), DeviceUnknown},
		"recovery key":   {by(kit), DeviceUnknown},
		"receipt key":    {by(w.receipts), DeviceUnknown},
		"officer":        {by(w.officer), DeviceUnknown},
		"itself":         {edited(w, by(added), func(*envelope.DeviceBody) {}, added), DeviceUnknown},
		"a live device":  {by(w.alice.device), ""},
	})
}
