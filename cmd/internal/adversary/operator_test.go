package adversary

import (
	"crypto/rand"
	"time"

	"github.com/jackc/pgx/v5"

	"chancery/core/coretest"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/sign"
)

// exec runs a statement as the owner of the database.
func (d *desk) exec(sql string, args ...any) {
	d.t.Helper()
	conn, err := pgx.Connect(d.t.Context(), d.URL)
	d.must(err)
	defer conn.Close(d.t.Context())
	_, err = conn.Exec(d.t.Context(), sql, args...)
	d.must(err)
}

// believe makes somebody a member in the server's own table, without a link.
func (d *desk) believe(p *person) {
	d.t.Helper()
	d.exec(`INSERT INTO channel_members (channel_id, account_id, rank, joined_seq)
		SELECT c.id, a.id, 'member', 1 FROM channels c, accounts a WHERE c.chain = $1 AND a.chain = $2`, d.id[:], p.Me.Chain[:])
}

// lose makes the database what it was at a position, as a restored backup is.
func (d *desk) lose(after uint64) {
	d.t.Helper()
	number := d.number()
	for _, sql := range []string{
		`DELETE FROM epoch_wraps w USING epochs e WHERE e.channel_id = $1 AND e.seq > $2 AND w.channel_id = e.channel_id AND w.n = e.n`,
		`DELETE FROM epochs WHERE channel_id = $1 AND seq > $2`,
		`DELETE FROM device_numbers WHERE channel_id = $1 AND seq > $2`,
		`DELETE FROM channel_members WHERE channel_id = $1 AND joined_seq > $2`,
		`UPDATE channel_members SET left_seq = NULL WHERE channel_id = $1 AND left_seq > $2`,
		`DELETE FROM entries WHERE channel_id = $1 AND seq > $2`,
	} {
		d.exec(sql, number, int64(after))
	}
	d.restart()
}

func (d *desk) number() int64 {
	d.t.Helper()
	return d.Number(`SELECT id FROM channels WHERE chain = $1`, d.id[:])
}

const placeEntry = `
INSERT INTO entries (channel_id, seq, recv_us, dev_seq, device_id, epoch, kind, msg_kind, head, hash, header, body, body_len, body_hash, sigs,
    sealed_salt, messages, recorder)
VALUES ($1, $2, $3, $4, coalesce((SELECT id FROM devices WHERE key = $5), CASE WHEN $7 = 2 THEN 0 END), $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
    (SELECT coalesce(max(messages), 0) FROM entries WHERE channel_id = $1) + CASE WHEN $7 = 2 THEN 1 ELSE 0 END, $17)`

// place puts an entry at the next position with the gate off: nobody judges it.
// Its head is right, and everybody is served it. It gives the server's receipt.
func (d *desk) place(in wire.NewEntry) []byte {
	d.t.Helper()
	e, err := envelope.ParseEntry(in.Entry)
	d.must(err)
	last := d.past().last()
	p := envelope.Placed{
		Position: last.Position + 1, Received: max(time.Now().UnixMicro(), last.Received), Entry: *e,
		Payload: envelope.SumBytes(e.Payload), Salt: in.Salt,
	}
	p.Head = envelope.NextHead(last.Head, p.Position, p.Received, p.Hash())
	d.insert(&p)
	d.keepWraps(&p, in.Wraps)
	d.restart()
	d.hub.Publish(d.id, &p)
	return d.receipt(&p)
}

// submit has somebody's session ask for an entry that was made outside its
// client. The gate is on.
func (d *desk) submit(p *person, in wire.NewEntry) {
	d.t.Helper()
	_, err := p.API.PostEntry(d.t.Context(), d.id, in)
	d.must(err)
}

func (d *desk) insert(p *envelope.Placed) {
	d.t.Helper()
	var counter, epoch, kind *int64
	var device, salt, body, recorder []byte
	if p.Entry.Kind == envelope.KindMessage {
		h, err := envelope.ParseHeader(&p.Entry)
		d.must(err)
		counter, epoch, kind, device, body = number(h.DeviceSeq), number(h.Epoch), number(h.Kind), h.Device[:], p.Entry.Payload
		salt, err = coretest.Salts{Vault: d.Vault}.SealSalt(d.id, p.Position, [32]byte(p.Salt))
		d.must(err)
	}
	if c, err := envelope.ParseCoverage(&p.Entry); err == nil {
		recorder = c.Recorder[:]
	}
	hash := p.Hash()
	d.exec(placeEntry, d.number(), int64(p.Position), p.Received, counter, device, epoch, int64(p.Entry.Kind), kind, p.Head[:], hash[:],
		p.Entry.Header, body, len(body), p.Payload[:], envelope.Marshal(p.Entry.Signatures), salt, recorder)
	if counter != nil {
		d.exec(`INSERT INTO device_numbers (channel_id, device_id, dev_seq, seq) SELECT $1, id, $3, $4 FROM devices WHERE key = $2
			ON CONFLICT DO NOTHING`, d.number(), device, counter, int64(p.Position))
	}
}

func number[T ~uint64 | ~uint8](n T) *int64 { v := int64(n); return &v }

// keepWraps stores the wraps of an epoch link for members and recorders, in the
// order in which they came.
func (d *desk) keepWraps(p *envelope.Placed, wraps [][]byte) {
	d.t.Helper()
	if len(wraps) == 0 {
		return
	}
	l, err := envelope.ParseLink(&p.Entry)
	d.must(err)
	b, err := envelope.ParseBody[envelope.EpochBody](l)
	d.must(err)
	var hashes []byte
	for i, r := range d.recipients()[:len(wraps)] {
		sum := envelope.SumBytes(wraps[i])
		hashes = append(hashes, sum[:]...)
		d.exec(`INSERT INTO epoch_wraps (recipient, channel_id, n, wrap) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, r.ID[:], d.number(), int64(b.N), wraps[i])
	}
	d.exec(`INSERT INTO epochs (channel_id, n, seq, hashes) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, d.number(), int64(b.N), int64(p.Position), hashes)
}

// receipt is the server's promise for what it placed.
func (d *desk) receipt(p *envelope.Placed) []byte {
	d.t.Helper()
	r := envelope.Receipt{
		Version: envelope.Version, Org: d.Org().ID(), Channel: d.id, Entry: p.Hash(), Position: p.Position, Head: p.Head, Received: p.Received,
	}
	if h, err := envelope.ParseHeader(&p.Entry); err == nil {
		r.Device, r.DeviceSeq = h.Device, h.DeviceSeq
	}
	return d.state(envelope.LabelReceipt, &r)
}

// refusal is the server's final word on an entry that it may well have placed.
func (d *desk) refusal(e *envelope.Entry, code string) []byte {
	d.t.Helper()
	h, err := envelope.ParseHeader(e)
	d.must(err)
	return d.state(envelope.LabelRefusal, &envelope.Refusal{
		Version: envelope.Version, Org: d.Org().ID(), Channel: d.id, Device: h.Device, DeviceSeq: h.DeviceSeq,
		Entry: e.Hash(), Code: code, Time: time.Now().UnixMicro(),
	})
}

// state signs a statement with the server's receipt key.
func (d *desk) state(label string, v any) []byte {
	d.t.Helper()
	b := envelope.Marshal(v)
	sig, err := d.Receipt.Sign(envelope.StatementInput(label, b))
	d.must(err)
	return envelope.Marshal(&envelope.Signed{Label: label, Bytes: b, Signature: envelope.Signature{Key: envelope.KeyOf(d.Receipt.Public()), Bytes: sig}})
}

// byServer is the channel's next link, signed by keys that the server holds.
// What it says of its signer is for change to lie about.
func (d *desk) byServer(t envelope.LinkType, body any, change func(*envelope.Link), keys ...*sign.Key) wire.NewEntry {
	d.t.Helper()
	l := d.link(t, body)
	l.Key = envelope.KeyOf(keys[0].Public())
	if change != nil {
		change(l)
	}
	e := &envelope.Entry{Kind: envelope.KindLink, Header: envelope.Marshal(l), Payload: []byte{}}
	for _, k := range keys {
		d.must(coretest.Sign(e, k))
	}
	return newEntry(e, nil)
}

// byMember is the channel's next link, signed by somebody's device.
func (d *desk) byMember(p *person, t envelope.LinkType, body any) wire.NewEntry {
	d.t.Helper()
	l := d.link(t, body)
	l.User, l.Key = p.Me.Chain, p.Device()
	return newEntry(signed(envelope.KindLink, l, p.key()), nil)
}

func (d *desk) link(t envelope.LinkType, body any) *envelope.Link {
	past := d.past()
	return &envelope.Link{
		Version: envelope.Version, Org: d.Org().ID(), Chain: envelope.Hash(d.id), Seq: uint64(len(past.links)), Prev: past.links[len(past.links)-1],
		Type: t, Body: envelope.Marshal(body), Time: time.Now().UnixMicro(),
	}
}

func signed(kind envelope.Kind, header any, k *seal.SigningKey) *envelope.Entry {
	e := &envelope.Entry{Kind: kind, Header: envelope.Marshal(header), Payload: []byte{}}
	seal.SignEntry(e, k)
	return e
}

func newEntry(e *envelope.Entry, salt []byte) wire.NewEntry {
	return wire.NewEntry{Entry: envelope.Marshal(e), Salt: salt}
}

func random16() (b [16]byte) { rand.Read(b[:]); return b }
