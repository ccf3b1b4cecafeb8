package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"chancery/cmd/internal/client"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// ErrQueued: the server has not answered yet. The message is on disk and goes
// again, unchanged, before anything else does.
var ErrQueued = errors.New("message is queued: no answer yet")

// Draft is what a person wants to say.
type Draft struct {
	Kind   envelope.MessageKind
	Target envelope.Ref // of an edit or delete
	Text   string
	Files  []Upload
}

// Upload is a sealed file that the server already has.
type Upload struct {
	Attachment envelope.Attachment
	File       envelope.File
	item       string // under which the keyring remembers it until a message binds it
}

// Sent tells where a message stands now.
type Sent struct {
	Position uint64        `json:"position"`
	Entry    envelope.Hash `json:"entry"`
	Received time.Time     `json:"received"`
}

const (
	rounds   = 5                // how often a message is sealed anew after a refusal that allows it
	patience = 20 * time.Second // how long the same bytes are sent again, unless the caller says
	stale    = 500              // entries behind our own receipts before reading on
)

// Post seals a message, sends it and returns its verified receipt. Messages of
// one device go one after the other, so that their order is what was typed.
func (c *Channel) Post(ctx context.Context, d Draft) (*Sent, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.flush(ctx); err != nil {
		return nil, err
	}
	for round := 0; ; round++ {
		if err := c.ready(ctx, round > 0); err != nil {
			return nil, err
		}
		if err := c.write(ctx, d); err != nil {
			return nil, err
		}
		sent, err := c.deliver(ctx)
		r, ok := errors.AsType[*Refused](err)
		c.strict = ok && chain.Reason(r.Code) == chain.RotationDue
		if err == nil {
			return sent, c.s.bound(d.Files)
		}
		if !ok || round == rounds || !mendable[chain.Reason(r.Code)] {
			return sent, err
		}
	}
}

// mendable are refusals that say that the channel has moved on: what was meant
// can be said again in its new state.
var mendable = map[chain.Reason]bool{
	chain.EpochNone: true, chain.EpochNotCurrent: true, chain.EpochExpired: true, chain.RotationDue: true,
	chain.SeenBad: true, chain.CounterBad: true, chain.DeviceUnknown: true,
}

// Flush sends what a broken connection or a crash left behind.
func (c *Channel) Flush(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flush(ctx)
}

func (c *Channel) flush(ctx context.Context) error {
	if len(c.outbox.Pending) == 0 {
		return nil
	}
	_, err := c.deliver(ctx)
	if r, ok := errors.AsType[*Refused](err); ok {
		c.s.Note(fmt.Sprintf("Needs attention: a message from an earlier run was refused: %v", r))
		return nil
	}
	return err
}

// ready brings the channel to where this device can write in it.
func (c *Channel) ready(ctx context.Context, read bool) error {
	if read || c.doubt || c.chain == nil || c.outbox.Highest.Position > c.position()+stale {
		if err := c.catchUp(ctx); err != nil {
			return err
		}
	}
	if err := c.trusted(); err != nil {
		// Coverage may have come since; what is stale must not stop anybody.
		if err := c.catchUp(ctx); err != nil {
			return err
		}
		c.answer(ctx)
		if err := c.trusted(); err != nil {
			return err
		}
	}
	if err := c.awaitVouched(ctx); err != nil {
		return err
	}
	if err := c.current(); err != nil {
		return err
	}
	if err := c.announce(ctx); err != nil {
		return err
	}
	if err := c.tellNews(ctx); err != nil {
		return err
	}
	return c.rotate(ctx)
}

// write seals a message with the next device number and puts it on disk.
func (c *Channel) write(ctx context.Context, d Draft) error {
	e, _ := c.chain.Current()
	key, err := c.key(ctx, e.N)
	if err != nil {
		return err
	}
	header, body := c.header(e, d), envelope.Body{Text: d.Text}
	for _, f := range d.Files {
		header.Attachments = append(header.Attachments, f.Attachment)
		body.Files = append(body.Files, f.File)
	}
	entry, salt, err := seal.Seal(key, header, body, c.s.device)
	if err != nil {
		return err
	}
	c.outbox.put(sealed{Seq: header.DeviceSeq, Entry: envelope.Marshal(entry), Salt: salt[:]})
	return c.outbox.save(c.s.Ring, c.id)
}

func (c *Channel) header(e *chain.Epoch, d Draft) envelope.Header {
	last := c.lastPlaced()
	h := envelope.Header{
		Version: envelope.Version, Org: c.chain.Org(), Channel: c.id, Epoch: e.N, EpochLink: e.Link,
		User: c.s.Me.Chain, Device: c.s.device.ID(), DeviceSeq: max(c.outbox.Used, last.Seq) + 1, DevicePrev: last.Hash,
		Seen: envelope.Ref{Position: c.chain.Position, Hash: c.chain.Top}, Time: c.s.Now().UnixMicro(),
		Kind: d.Kind, Target: d.Target,
	}
	rand.Read(h.ID[:])
	for n := last.Seq + 1; n < h.DeviceSeq; n++ {
		h.Void = append(h.Void, n)
	}
	return h
}

// lastPlaced is the device's last placed message: what the chain says, or a
// receipt for a position that was not read yet.
func (c *Channel) lastPlaced() chain.Counter {
	if p := c.outbox.Placed; p.Position > c.chain.Position {
		return chain.Counter{Seq: p.Seq, Hash: p.Entry}
	}
	return c.chain.Counter(c.s.device.ID())
}

// deliver sends the pending message until there is a signed answer.
func (c *Channel) deliver(ctx context.Context) (*Sent, error) {
	p := c.outbox.Pending[0]
	entry, err := envelope.ParseEntry(p.Entry)
	if err != nil {
		return nil, err
	}
	raw, err := c.send(ctx, wire.NewEntry{Entry: p.Entry, Salt: p.Salt})
	if problem, ok := errors.AsType[*client.Problem](err); ok && len(problem.Refusal) > 0 {
		return nil, c.settleRefusal(ctx, problem, entry, p.Seq)
	}
	switch {
	case err != nil && ctx.Err() != nil || client.NotNow(err):
		return nil, fmt.Errorf("%w: %w", ErrQueued, err)
	case err != nil:
		return nil, c.abandon(ctx, err)
	}
	r, err := c.receipt(ctx, raw, entry, c.s.device.ID(), p.Seq)
	if err != nil {
		return nil, err
	}
	return c.settle(ctx, r, entry, p.Salt)
}

// send repeats the same bytes while the server says "not now".
func (c *Channel) send(ctx context.Context, in wire.NewEntry) ([]byte, error) {
	return c.s.API.PostEntry(client.WithDefaultPatience(ctx, client.Patience{Limit: patience}), c.id, in)
}

func (c *Channel) settleRefusal(ctx context.Context, p *client.Problem, e *envelope.Entry, seq uint64) error {
	refused, err := c.refusal(ctx, p, e, seq)
	if err != nil {
		return err
	}
	c.outbox.refuse(e.Hash())
	if err := c.outbox.save(c.s.Ring, c.id); err != nil {
		return err
	}
	return refused
}

// abandon gives up a message that the server denied without a final word. Its
// number may be left out only when the message can't be placed any more: once
// an epoch later than its own is current and the message is not there. So an
// epoch is started for it. When that fails the message stays pending.
func (c *Channel) abandon(ctx context.Context, why error) error {
	p, ok := errors.AsType[*client.Problem](why)
	if !ok || !denied[p.Status] || c.chain == nil {
		return why
	}
	if err := c.outlive(ctx); err != nil {
		c.s.Note(fmt.Sprintf("Needs attention: a denied message can't be given up yet: %v", err))
		return why
	}
	c.outbox.void()
	return errors.Join(why, c.outbox.save(c.s.Ring, c.id))
}

var denied = map[int]bool{
	http.StatusBadRequest: true, http.StatusForbidden: true, http.StatusConflict: true,
	http.StatusRequestEntityTooLarge: true, http.StatusUnprocessableEntity: true,
}

func (c *Channel) outlive(ctx context.Context) error {
	entry, err := envelope.ParseEntry(c.outbox.Pending[0].Entry)
	if err != nil {
		return err
	}
	h, err := envelope.ParseHeader(entry)
	if err != nil {
		return err
	}
	if e, ok := c.chain.Current(); ok && e.N == h.Epoch {
		if err := c.placeEpoch(ctx, envelope.CauseDemand); err != nil {
			return err
		}
		c.strict = true
		err := c.awaitEpoch(ctx)
		if c.strict = false; err != nil {
			return err
		}
	}
	if c.chain.Counter(h.Device).Seq >= h.DeviceSeq {
		return fmt.Errorf("it was placed after all")
	}
	return nil
}

// settle notes the receipt and, when nothing stands between, follows the
// channel to it without asking the server again.
func (c *Channel) settle(ctx context.Context, r *envelope.Receipt, e *envelope.Entry, salt []byte) (*Sent, error) {
	read := r.Position <= c.position() // sent again, and read meanwhile
	if read && c.chain.Counter(r.Device).Seq < r.DeviceSeq {
		return nil, fmt.Errorf("%w: a receipt for place %d, where another entry stands", ErrAnswer, r.Position)
	}
	sent := &Sent{Position: r.Position, Entry: r.Entry, Received: time.UnixMicro(r.Received).UTC()}
	c.outbox.receive(r)
	c.outbox.owe(r, c.s.Now())
	if read {
		return sent, nil
	}
	c.heads[r.Position] = r.Head
	if c.chain == nil || r.Position != c.position()+1 {
		return sent, nil
	}
	return sent, c.take(ctx, &envelope.Placed{
		Position: r.Position, Received: r.Received, Head: r.Head, Entry: *e, Payload: envelope.SumBytes(e.Payload), Salt: salt,
	})
}
