package chain

import (
	"testing"

	"chancery/crypto/envelope"
)

// TestRetrace: a verified past leads to the verified head; one with another
// message in it does not, whoever signed that.
func TestRetrace(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureOff)
	for range 3 {
		w.place(w.post(w.alice))
	}
	walk := func(change func(i int, p *envelope.Placed)) (*Channel, error) {
		c, err := NewChannel(w, w.log[0])
		w.must(err)
		top := w.log[0].Head
		for i, p := range w.log[1:] {
			q := *p
			change(i+1, &q)
			q.Payload = envelope.SumBytes(q.Entry.Payload)
			q.Head = envelope.NextHead(top, q.Position, q.Received, q.Hash())
			top = q.Head
			if err := c.Retrace(&q); err != nil {
				return c, err
			}
		}
		return c, nil
	}
	c, err := walk(func(int, *envelope.Placed) {})
	if err != nil || c.Top != w.c.Top || c.Messages != w.c.Messages || c.Position != w.c.Position {
		t.Errorf("the same past: %v, at %d of %d", err, c.Position, w.c.Position)
	}
	last := len(w.log) - 1
	c, err = walk(func(i int, p *envelope.Placed) {
		if i == last {
			p.Entry.Payload = append([]byte{1}, p.Entry.Payload...)
		}
	})
	if err != nil || c.Top == w.c.Top {
		t.Errorf("another message: %v; its head must differ", err)
	}
	if _, err := walk(func(i int, p *envelope.Placed) {
		if p.Entry.Kind == envelope.KindLink {
			p.Entry = *forged(&p.Entry)
		}
	}); ReasonOf(err) != BadSignature {
		t.Errorf("a forged link: %v", err)
	}
	if _, err := walk(func(i int, p *envelope.Placed) {
		if i == last {
			p.Position++
		}
	}); ReasonOf(err) != BrokenOrder {
		t.Errorf("a gap: %v", err)
	}
}
