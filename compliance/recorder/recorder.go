package recorder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// Config is what a recorder is made of.
type Config struct {
	Org       envelope.OrgID // pinned: no other organisation is believed
	Copy      string         // directory of the copy
	VaultKeys string         // directory of the keys to the copy's trees; better on another disk

	Key      *seal.SigningKey // listed in the organisation's chain, like Identity
	Identity *seal.Identity
	Master   seal.DataKey // seals the epoch seeds in the copy

	Server Server
	Now    func() time.Time
	Random io.Reader
	Report func(error)   // of what goes wrong; *Alarm for what a person must look at
	Poll   time.Duration // between two looks at what nothing has announced
	Every  time.Duration // between two cosignatures of the log
	// Cooling is how long a hold still keeps after two people released it.
	Cooling time.Duration
}

// Recorder follows its channels and judges orders. Only one process may have its
// copy open.
type Recorder struct {
	Config
	people *directory
	orders *ledger
	log    *ledgerOfLog // one goroutine cosigns

	mu        sync.Mutex
	followers map[envelope.ChannelID]*follower
	wakes     map[envelope.ChannelID]chan struct{}
}

// Open reads the copy. What it finds damaged it refuses to go on with.
func Open(c Config) (*Recorder, error) {
	r := &Recorder{
		Config: c, followers: map[envelope.ChannelID]*follower{}, wakes: map[envelope.ChannelID]chan struct{}{},
	}
	var err error
	if r.people, err = openDirectory(filepath.Join(c.Copy, "chains"), &c); err != nil {
		return nil, fmt.Errorf("opening copy: %w", err)
	}
	if r.orders, err = openLedger(filepath.Join(c.Copy, "orders")); err != nil {
		return nil, fmt.Errorf("opening copy: %w", errors.Join(err, r.people.Close()))
	}
	if r.log, err = openLog(c.Copy); err != nil {
		return nil, fmt.Errorf("opening copy: %w", errors.Join(err, r.Close()))
	}
	if err := r.openKept(); err != nil {
		return nil, fmt.Errorf("opening copy: %w", errors.Join(err, r.Close()))
	}
	return r, nil
}

// openKept opens every channel that the copy holds.
func (r *Recorder) openKept() error {
	names, err := os.ReadDir(filepath.Join(r.Copy, "channels"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(names) > 0 && r.people.Org() == nil {
		return fmt.Errorf("%w: channels without the organisation's chain", errDamaged)
	}
	for _, name := range names {
		id, err := envelope.ID[envelope.ChannelID](name.Name())
		if err != nil {
			return fmt.Errorf("%w: channels/%s", errDamaged, name.Name())
		}
		if _, err := r.follower(id); err != nil {
			return err
		}
	}
	return nil
}

// follower finds or opens what is kept of a channel.
func (r *Recorder) follower(id envelope.ChannelID) (*follower, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f, ok := r.followers[id]; ok {
		return f, nil
	}
	f, err := r.openFollower(id)
	if err != nil {
		return nil, err
	}
	r.followers[id] = f
	return f, nil
}

// known finds a channel that this recorder has kept something of.
func (r *Recorder) known(id envelope.ChannelID) (*follower, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, ok := r.followers[id]
	return f, ok
}

// ID names the recorder.
func (r *Recorder) ID() envelope.KeyID { return r.Key.ID() }

func (r *Recorder) report(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		r.Report(err)
	}
}

// Standing is how far a channel was followed. All are positions.
type Standing struct {
	Channel  envelope.ChannelID `json:"channel"`
	Position uint64             `json:"position"`
	Opened   uint64             `json:"opened"`
	Covered  uint64             `json:"covered"`
	Wrong    int                `json:"wrong"`  // devices whose word on what they wrote is not borne out
	Unsaid   int                `json:"unsaid"` // devices that wrote since their last word
}

// Standings tell of every channel, in no order.
func (r *Recorder) Standings() []Standing {
	r.mu.Lock()
	followers := make([]*follower, 0, len(r.followers))
	for _, f := range r.followers {
		followers = append(followers, f)
	}
	r.mu.Unlock()
	out := make([]Standing, len(followers))
	for i, f := range followers {
		out[i] = f.standing()
	}
	return out
}

func (f *follower) standing() Standing {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := Standing{Channel: f.id, Position: f.position(), Opened: f.opened()}
	s.Wrong, s.Unsaid = len(f.ears.wrong), len(f.ears.unsaid)
	if f.channel != nil {
		s.Covered = f.channel.Covered(f.ID())
	}
	return s
}

// Close lets go of the copy. Run must have ended.
func (r *Recorder) Close() error {
	errs := []error{r.people.Close(), r.orders.Close()}
	for _, f := range r.followers {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
