package record

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
)

// memory is a Log in memory whose records become visible when they commit.
type memory struct {
	mu     sync.Mutex
	rows   map[int64]Record
	places map[int64]int64
	order  []int64
	hashes tlog.MemoryHashes
	tree   Tree
	open   []Range
	note   []byte
	noteOf int64
	fence  int
}

func newMemory() *memory { return &memory{rows: map[int64]Record{}, places: map[int64]int64{}} }

type memoryLead struct {
	*memory
	fence int
}

func (m *memory) commit(r Record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows[r.ID] = r
}

func (m *memory) Lead(context.Context) (Lead, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fence++
	return &memoryLead{m, m.fence}, nil
}

var errFenced = errors.New("another has the lead")

func (l *memoryLead) State(context.Context) (Tree, []Range, error) { return l.tree, l.open, nil }
func (l *memoryLead) Close() error                                 { return nil }

func (l *memoryLead) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	return l.hashes.ReadHashes(indexes)
}

func (l *memoryLead) list(want func(id int64) bool, limit int) []Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Record
	for id, r := range l.rows {
		if want(id) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b Record) int { return int(a.ID - b.ID) })
	return out[:min(limit, len(out))]
}

func (l *memoryLead) unplaced(id int64) bool { _, ok := l.places[id]; return !ok }

func (l *memoryLead) After(_ context.Context, id int64, limit int) ([]Record, error) {
	return l.list(func(x int64) bool { return x > id }, limit), nil
}

func (l *memoryLead) Unplaced(_ context.Context, id int64, limit int) ([]Record, error) {
	return l.list(func(x int64) bool { return x > id && l.unplaced(x) }, limit), nil
}

func (l *memoryLead) Find(_ context.Context, ranges []Range) ([]Record, error) {
	in := func(x int64) bool {
		return l.unplaced(x) && slices.ContainsFunc(ranges, func(r Range) bool { return r.From <= x && x <= r.To })
	}
	return l.list(in, len(l.rows)+1), nil
}

func (l *memoryLead) Append(_ context.Context, b *Batch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fence != l.memory.fence || l.tree != b.Before || int64(len(l.hashes)) != b.FirstHash {
		return errFenced
	}
	for _, p := range b.Records {
		if !l.unplaced(p.ID) {
			return errors.New("placed twice")
		}
		l.places[p.ID] = p.Index
		l.order = append(l.order, p.ID)
	}
	l.hashes = append(l.hashes, b.Hashes...)
	l.tree, l.open = b.After, b.Open
	return nil
}

func (l *memoryLead) SaveCheckpoint(_ context.Context, size int64, note []byte) error {
	l.noteOf, l.note = size, note
	return nil
}

// strictSigner verifies each proof, as the signer's process does.
type strictSigner struct {
	last   tlog.Checkpoint
	down   bool
	signed int
}

func (s *strictSigner) LastCheckpoint(context.Context, string) (int64, error) {
	return s.last.Size, nil
}

func (s *strictSigner) SignCheckpoint(_ context.Context, c tlog.Checkpoint, proof []tlog.Hash) ([]byte, error) {
	if s.down {
		return nil, errors.New("no answer")
	}
	if s.last.Size > 0 {
		if err := tlog.VerifyConsistency(s.last.Size, s.last.Root, c.Size, c.Root, proof); err != nil {
			return nil, err
		}
	}
	s.last = c
	s.signed++
	return c.MarshalText()
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func startTerm(t *testing.T, m *memory, signer CheckpointSigner, now func() time.Time) *term {
	t.Helper()
	s := New(Config{Log: m, Signer: signer, Origin: "chancery/test/log", Batch: 7, Now: now, Logger: quiet()})
	lead, err := m.Lead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	term := &term{Sequencer: s, lead: lead}
	if err := term.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return term
}

func TestPlaceGivesTheRootOfItsLeaves(t *testing.T) {
	t.Parallel()
	var hashes tlog.MemoryHashes
	var tree Tree
	var leaves [][]byte
	for id, n := int64(1), 0; n < 40; n++ {
		var records []Record
		for range n % 5 {
			records = append(records, sample(id))
			id++
		}
		b, err := Place(tree, hashes, records)
		if err != nil {
			t.Fatal(err)
		}
		hashes, tree = append(hashes, b.Hashes...), b.After
		for i := range records {
			leaves = append(leaves, records[i].Leaf())
		}
		if tree.Root != tlog.Root(leaves) || tree.Size != int64(len(leaves)) || int64(len(hashes)) != tlog.StoredCount(tree.Size) {
			t.Fatalf("after %d leaves: %+v", len(leaves), tree)
		}
	}
}

// Commits arrive in any order, leads change and the signer fails at random; in
// the end every record has one place, and entries of a channel stand in order.
func TestSequencerPlacesEachRecordOnce(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 1))
		m, signer := newMemory(), &strictSigner{}
		clock := time.Unix(1e9, 0)
		now := func() time.Time { return clock }
		lead := startTerm(t, m, signer, now)
		var flying []Record
		channel := map[envelope.ChannelID]uint64{}
		for id := int64(1); id <= 300 || len(flying) > 0; id++ {
			if id <= 300 {
				r := sample(id)
				if random.IntN(10) > 0 { // else it rolled back
					flying = append(flying, r)
				}
			}
			for len(flying) > 0 && (id > 300 || random.IntN(3) > 0) {
				commitOne(m, &flying, random, channel)
			}
			clock = clock.Add(time.Second)
			signer.down = random.IntN(4) == 0
			if random.IntN(40) == 0 {
				lead = startTerm(t, m, signer, now)
			}
			if err := lead.tick(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		clock, signer.down = clock.Add(holePatience), false
		if err := lead.tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkPlaces(t, m, signer)
	}
}

// commitOne makes a random flying record visible. Each is of one of three
// channels, whose writers commit in the order of ids.
func commitOne(m *memory, flying *[]Record, random *rand.Rand, positions map[envelope.ChannelID]uint64) {
	c := envelope.ChannelID{byte(1 + random.IntN(3))}
	of := func(r Record) envelope.ChannelID { return envelope.ChannelID{byte(1 + r.ID%3)} }
	for i, r := range *flying {
		if of(r) == c {
			positions[c]++
			r.Channel, r.Position = c, positions[c]
			m.commit(r)
			*flying = slices.Delete(*flying, i, i+1)
			return
		}
	}
}

func checkPlaces(t *testing.T, m *memory, signer *strictSigner) {
	t.Helper()
	if len(m.places) != len(m.rows) {
		t.Fatalf("%d of %d records have a place", len(m.places), len(m.rows))
	}
	last := map[envelope.ChannelID]uint64{}
	var b tlog.RootBuilder
	for _, id := range m.order {
		r := m.rows[id]
		if r.Position != last[r.Channel]+1 {
			t.Fatalf("entry %d after entry %d", r.Position, last[r.Channel])
		}
		last[r.Channel] = r.Position
		b.Append(r.LeafHash())
	}
	if b.Root() != m.tree.Root || m.noteOf != m.tree.Size || signer.last.Root != m.tree.Root {
		t.Fatal("root or checkpoint is not that of the records")
	}
}

func TestFencedLeadAppendsNothing(t *testing.T) {
	t.Parallel()
	m := newMemory()
	old := startTerm(t, m, &strictSigner{}, time.Now)
	startTerm(t, m, &strictSigner{}, time.Now)
	m.commit(sample(1))
	if err := old.tick(t.Context()); !errors.Is(err, errFenced) {
		t.Fatalf("got %v", err)
	}
}

// A log that lost records, as after a restore from an older backup, must not be
// signed as if nothing had happened.
func TestAttackShorterLogIsNotSigned(t *testing.T) {
	t.Parallel()
	m, signer := newMemory(), &strictSigner{last: tlog.Checkpoint{Size: 10}}
	lead := startTerm(t, m, signer, time.Now)
	m.commit(sample(1))
	if err := lead.tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	if signer.signed != 0 || m.note != nil {
		t.Fatal("a shorter log was signed")
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	m, signer := newMemory(), &strictSigner{}
	for id := range int64(20) {
		m.commit(sample(id + 1))
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	s := New(Config{Log: m, Signer: signer, Origin: "o", Every: time.Millisecond, Logger: quiet()})
	go func() { done <- s.Run(ctx) }()
	time.Sleep(20 * time.Millisecond)
	cancel()
	if err := <-done; err != nil || m.tree.Size != 20 || m.noteOf != 20 {
		t.Fatalf("err %v, tree %+v, note of %d", err, m.tree, m.noteOf)
	}
}
