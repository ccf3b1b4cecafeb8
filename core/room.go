package core

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
)

// room is a channel's validator in memory. The head that it gives is a promise
// only once the store has taken the entry: when that fails, the room forgets
// all it assumed and reads the channel again.
type room struct {
	mu    sync.Mutex
	row   ChannelRow     // as the room was opened: who records is in recorders
	state *chain.Channel // nil: read it first
	lives int            // how often state was read; drafts of an older life are void

	refused map[counterKey]struct{} // device numbers that were refused for good

	recorders atomic.Pointer[[]envelope.KeyID] // as the database had them last
}

type counterKey struct {
	device envelope.KeyID
	seq    uint64
}

// rooms are the channels that someone uses. Losing one costs a reading, nothing
// else.
type rooms struct {
	store Store
	dir   *directory
	mu    sync.Mutex
	open  map[int64]*room
}

// maxRooms bounds memory: beyond it the channels are read again when asked for.
const maxRooms = 4096

func newRooms(store Store, dir *directory) *rooms {
	return &rooms{store: store, dir: dir, open: map[int64]*room{}}
}

func (r *rooms) get(row ChannelRow) *room {
	r.mu.Lock()
	defer r.mu.Unlock()
	if x, ok := r.open[row.Number]; ok {
		x.recorders.Store(&row.Recorders)
		return x
	}
	if len(r.open) >= maxRooms {
		clear(r.open)
	}
	x := &room{row: row}
	x.recorders.Store(&row.Recorders)
	r.open[row.Number] = x
	return x
}

// load reads the channel's state if the room has none. The caller holds mu.
func (r *rooms) load(ctx context.Context, x *room) error {
	if x.state != nil {
		return nil
	}
	kept, err := r.store.State(ctx, x.row.Number)
	if err != nil {
		return err
	}
	state, err := rebuild(r.dir, kept)
	if err != nil {
		return err
	}
	x.state = state
	x.refused = kept.Refused()
	x.lives++
	return nil
}

var errNoGenesis = errors.New("a channel without a genesis")

// rebuild replays the links of a channel and takes counters and heads from the
// store, so that the server judges as those do who read every entry.
func rebuild(dir chain.Directory, kept ChannelState) (*chain.Channel, error) {
	if len(kept.Links) == 0 || len(kept.Heads) == 0 {
		return nil, errNoGenesis
	}
	state, err := chain.NewChannel(dir, &kept.Links[0].Placed)
	if err != nil {
		return nil, err
	}
	for i := range kept.Links[1:] {
		if err := state.ReadLink(&kept.Links[1+i].Placed); err != nil {
			return nil, err
		}
	}
	state.StartAt(kept.Position, kept.Heads[len(kept.Heads)-1], kept.Received)
	if err := state.Remember(kept.Heads); err != nil {
		return nil, err
	}
	state.Messages = kept.Messages
	counters := make(map[envelope.KeyID]chain.Counter, len(kept.Counters))
	for device, n := range kept.Counters {
		counters[device] = chain.Counter{Seq: n.Seq, Hash: n.Hash}
	}
	state.Know(counters, kept.Covered)
	return state, nil
}

// forget drops what the room assumed since the given life.
func (x *room) forget(life int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.lives == life {
		x.state = nil
	}
}
