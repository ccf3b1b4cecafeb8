package compliancetest

import (
	"crypto/rand"
	"encoding/binary"
	"time"

	"chancery/crypto/envelope"
	"chancery/identity"
)

// Channel is a channel with entries. Nothing judges them as a chain would: only
// their bytes, hashes and signatures are real.
type Channel struct {
	org    *Org
	ID     envelope.ChannelID
	Number int64
	Head   envelope.Hash
	Last   uint64 // newest position
	seq    map[identity.UserID]uint64
}

// Channel starts a channel with the given recorders. Its creator is a member
// from position 1 on.
func (o *Org) Channel(name string, creator *Person, recorders ...*Recorder) *Channel {
	o.T.Helper()
	c := &Channel{org: o, seq: map[identity.UserID]uint64{}}
	capture := envelope.CaptureOff
	body := envelope.ChannelGenesisBody{Access: envelope.AccessPrivate, History: envelope.HistorySinceJoin, Nonce: make([]byte, 16)}
	_, _ = rand.Read(body.Nonce)
	for _, r := range recorders {
		capture = envelope.CaptureRequired
		body.Recorders = append(body.Recorders, r.Party.ID())
	}
	body.Capture = capture
	l := envelope.Link{
		Version: envelope.Version, Org: o.chain.ID(), Type: envelope.ChannelGenesis, Body: envelope.Marshal(&body),
		User: creator.ID, Key: envelope.KeyOf(creator.Key.Public()), Time: o.Clock.UnixMicro(),
	}
	e := Sign(envelope.KindLink, envelope.Marshal(&l), nil, creator.Key)
	c.ID = envelope.ChannelID(envelope.ChainOf(e.Header))
	c.Head = envelope.Sum("head0", c.ID)
	team := o.Number(`INSERT INTO teams (name, title, created_at) VALUES ($1, $1, now()) RETURNING id`, name)
	c.Number = o.Number(`INSERT INTO channels (chain, team_id, name, access, capture, created_by, created_at)
		VALUES ($1, $2, $3, 'private', $4, $5, now()) RETURNING id`,
		c.ID[:], team, name, string(capture), int64(creator.Principal.User))
	for _, id := range body.Recorders {
		o.Exec(`INSERT INTO duties (channel_id, recorder, since) VALUES ($1, $2, 0)`, c.Number, id[:])
	}
	c.place(e, o.Clock, nil)
	c.Join(creator)
	return c
}

// Join makes a person a member as of the next position.
func (c *Channel) Join(p *Person) {
	c.org.T.Helper()
	c.org.Exec(`INSERT INTO channel_members (channel_id, account_id, rank, joined_seq) VALUES ($1, $2, 'member', $3)`,
		c.Number, int64(p.Principal.User), int64(c.Last+1))
}

// Leave ends a membership at the newest position.
func (c *Channel) Leave(p *Person) {
	c.org.T.Helper()
	c.org.Exec(`UPDATE channel_members SET left_seq = $3 WHERE channel_id = $1 AND account_id = $2 AND left_seq IS NULL`,
		c.Number, int64(p.Principal.User), int64(c.Last))
}

// Post places a message received at a time, and gives its position.
func (c *Channel) Post(p *Person, at time.Time) uint64 {
	return c.message(p, at, envelope.Post, envelope.Ref{}, nil)
}

// Revise places an edit or deletion of an earlier message.
func (c *Channel) Revise(p *Person, at time.Time, kind envelope.MessageKind, target uint64) uint64 {
	return c.message(p, at, kind, envelope.Ref{Position: target}, nil)
}

// PostFile places a message with a sealed file.
func (c *Channel) PostFile(p *Person, at time.Time, a envelope.Attachment) uint64 {
	c.org.T.Helper()
	i := c.message(p, at, envelope.Post, envelope.Ref{}, []envelope.Attachment{a})
	c.org.Exec(`INSERT INTO blobs (id, channel_id, account_id, size, root, seq, created_at) VALUES ($1, $2, $3, $4, $5, $6, now())`,
		a.ID[:], c.Number, int64(p.Principal.User), int64(a.Size), a.Root[:], int64(i))
	return i
}

func (c *Channel) message(p *Person, at time.Time, kind envelope.MessageKind, target envelope.Ref, files []envelope.Attachment) uint64 {
	c.org.T.Helper()
	salt := make([]byte, 32)
	payload := make([]byte, 256)
	_, _ = rand.Read(salt)
	_, _ = rand.Read(payload)
	c.seq[p.Principal.User]++
	h := envelope.Header{
		Version: envelope.Version, SaltCommit: envelope.SaltCommit(salt), Org: c.org.chain.ID(), Channel: c.ID, Epoch: 1,
		User: p.ID, Device: envelope.KeyOf(p.Key.Public()), DeviceSeq: c.seq[p.Principal.User], Time: at.UnixMicro(),
		Kind: kind, Target: target, Attachments: files,
	}
	binary.BigEndian.PutUint64(h.ID[:], c.Last)
	e := Sign(envelope.KindMessage, envelope.Marshal(&h), payload, p.Key)
	return c.place(e, at, &message{p, h.DeviceSeq, kind, salt})
}

type message struct {
	by   *Person
	seq  uint64
	kind envelope.MessageKind
	salt []byte
}

// Cover places a recorder's coverage of everything so far.
func (c *Channel) Cover(r *Recorder, from, to uint64) {
	c.org.T.Helper()
	cover := envelope.Coverage{
		Version: envelope.Version, Org: c.org.chain.ID(), Channel: c.ID, From: from, To: to, HeadTo: c.Head,
		Recorder: r.Party.ID(), Time: c.org.Clock.UnixMicro(),
	}
	c.place(Sign(envelope.KindCoverage, envelope.Marshal(&cover), nil, r.Key), c.org.Clock, nil)
}

const insertEntry = `
INSERT INTO entries (channel_id, seq, recv_us, dev_seq, device_id, epoch, kind, msg_kind, head, hash, header, body, body_hash, sigs, sealed_salt, body_len,
    messages, recorder)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, coalesce(length($12::bytea), 0), 0, $16)`

func (c *Channel) place(e *envelope.Entry, at time.Time, m *message) uint64 {
	c.org.T.Helper()
	c.Last++
	hash, payload := e.Hash(), envelope.SumBytes(e.Payload)
	c.Head = envelope.NextHead(c.Head, c.Last, at.UnixMicro(), hash)
	args := []any{
		c.Number, int64(c.Last), at.UnixMicro(), nil, nil, nil, int16(e.Kind), nil, c.Head[:], hash[:], e.Header, nil,
		payload[:], envelope.Marshal(e.Signatures), nil, coverer(e),
	}
	op := "mem.add"
	if m != nil {
		args[3], args[4], args[5], args[7], args[11], args[14] = int64(m.seq), m.by.DeviceNo, 1, int16(m.kind), e.Payload, m.salt
		op = "msg.create"
	}
	c.org.Exec(insertEntry, args...)
	c.org.Exec(`INSERT INTO records (class, op, outcome, at_us, channel_id, seq, decision, policy) VALUES (left($1, 3), $1, 'ok', $2, $3, $4, 'd', 1)`,
		op, at.UnixMicro(), c.Number, int64(c.Last))
	return c.Last
}

// coverer is the recorder of a coverage, nil of anything else.
func coverer(e *envelope.Entry) []byte {
	c, err := envelope.ParseCoverage(e)
	if e.Kind != envelope.KindCoverage || err != nil {
		return nil
	}
	return c.Recorder[:]
}

// Bodies counts the messages whose payload is still there.
func (c *Channel) Bodies() int64 {
	c.org.T.Helper()
	return c.org.Number(`SELECT count(*) FROM entries WHERE channel_id = $1 AND kind = 2 AND body IS NOT NULL`, c.Number)
}
