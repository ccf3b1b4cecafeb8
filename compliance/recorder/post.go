package recorder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// repost is how long an own entry may be on its way before it is sent again.
const repost = 5 * time.Second

// post is an own entry that was sent and not yet seen at its place.
type post struct {
	entry *envelope.Entry
	sent  time.Time
}

func (f *follower) sign(kind envelope.Kind, header any) *envelope.Entry {
	e := &envelope.Entry{Kind: kind, Header: envelope.Marshal(header)}
	seal.SignEntry(e, f.Key)
	return e
}

// post sends an own entry under a name, at first and then every few seconds
// with the same bytes, until it is seen placed: an answer may be lost.
func (f *follower) post(ctx context.Context, name string, make func() *envelope.Entry) error {
	p, ok := f.posted[name]
	if !ok {
		p = &post{entry: make()}
		f.posted[name] = p
	}
	now := f.Now()
	if now.Sub(p.sent) < repost {
		return nil
	}
	p.sent = now
	err := f.Server.Post(ctx, f.id, p.entry)
	if errors.Is(err, ErrRefused) {
		delete(f.posted, name)
		return alarm(PostRefused, "%s: %w", name, err)
	}
	if err != nil {
		return fmt.Errorf("posting %s: %w", name, err)
	}
	return nil
}

// seen forgets an own entry that now stands in the channel, and finds coverage
// of this recorder's that its disk does not bear out: an older copy was put back.
func (f *follower) seen(p *envelope.Placed) {
	hash := p.Hash()
	maps.DeleteFunc(f.posted, func(_ string, own *post) bool { return own.entry.Hash() == hash })
	c, err := envelope.ParseCoverage(&p.Entry)
	if err == nil && c.Recorder == f.ID() && c.To > f.openings.Len() {
		f.report(alarm(CoverageAhead, "covered to %d, opened to %d", c.To, f.openings.Len()))
	}
}
