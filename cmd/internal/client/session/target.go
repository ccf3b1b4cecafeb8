package session

import (
	"context"
	"errors"
	"fmt"

	"chancery/crypto/envelope"
)

// Target finds the message at a position that this person may edit, or delete.
func (c *Channel) Target(ctx context.Context, position uint64, kind envelope.MessageKind) (envelope.Ref, error) {
	if position == 0 {
		return envelope.Ref{}, fmt.Errorf("%w: %d", ErrNoMessage, position)
	}
	all, err := c.Read(ctx, position-1)
	if err != nil {
		return envelope.Ref{}, err
	}
	if len(all) == 0 || all[0].Position != position || all[0].Kind != "post" {
		return envelope.Ref{}, fmt.Errorf("%w: %d", ErrNoMessage, position)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	me, _ := c.chain.Member(c.s.Me.Chain)
	clears := kind == envelope.Delete && (me.Rank == envelope.RankOwner || me.Rank == envelope.RankModerator)
	if all[0].User != c.s.Me.Chain && !clears {
		return envelope.Ref{}, fmt.Errorf("%w: message %d", ErrNotAuthor, position)
	}
	return envelope.Ref{Position: position, Hash: all[0].Entry}, nil
}

// ErrNotAuthor: only its author may edit a message; owners and moderators may
// delete it too.
var ErrNotAuthor = errors.New("you are not its author")
