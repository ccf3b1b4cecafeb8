package core_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"chancery/compliance/record"
	"chancery/core/coretest"
	"chancery/crypto/envelope"
	"chancery/crypto/sign"
	"chancery/crypto/tlog"
	"chancery/crypto/witness"
)

// noteSigner signs what extends its last checkpoint, as the signer process does.
type noteSigner struct {
	key  *sign.Key
	last tlog.Checkpoint
}

func (n *noteSigner) LastCheckpoint(context.Context, string) (int64, error) { return n.last.Size, nil }

func (n *noteSigner) SignCheckpoint(_ context.Context, c tlog.Checkpoint, proof []tlog.Hash) ([]byte, error) {
	if n.last.Size > 0 {
		if err := tlog.VerifyConsistency(n.last.Size, n.last.Root, c.Size, c.Root, proof); err != nil {
			return nil, err
		}
	}
	n.last = c
	text, err := c.MarshalText()
	if err != nil {
		return nil, err
	}
	return sign.SignNote(string(text), c.Origin, n.key)
}

// The log takes every record once, in order, and its checkpoint is the root
// over the leaves that the database gives back.
func TestLog(t *testing.T) {
	t.Parallel()
	s, c, ann, bob := desk(t)
	ctx, stop := context.WithCancel(t.Context())
	signer := &noteSigner{key: s.Receipt}
	sequencer := record.New(record.Config{
		Log: s.DB.Log(), Signer: signer, Origin: witness.Origin(s.Org().ID()), Every: 10 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	done := make(chan error, 1)
	go func() { done <- sequencer.Run(ctx) }()
	for range 5 {
		c.Place(ann, c.Seal(ann, "one"))
		c.Place(bob, c.Seal(bob, "two"))
	}
	want := s.Number(`SELECT count(*) FROM records`)
	for range 500 {
		if s.Number(`SELECT coalesce(max(size), 0) FROM checkpoints`) == want {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	s.Must(<-done)
	checkLog(t, s, want)
}

func checkLog(t *testing.T, s *coretest.Server, want int64) {
	t.Helper()
	note, found, err := s.DB.Log().Checkpoint(t.Context())
	s.Must(err)
	if !found {
		t.Fatal("no checkpoint was signed")
	}
	verifier, err := tlog.NewVerifier(witness.Origin(s.Org().ID()), s.Receipt.Public())
	s.Must(err)
	at, _, err := tlog.OpenCheckpoint([]byte(note), witness.Origin(s.Org().ID()), verifier)
	s.Must(err)
	lead, err := s.DB.Log().Lead(t.Context())
	s.Must(err)
	defer func() { s.Must(lead.Close()) }()
	records, err := lead.After(t.Context(), 0, 10000)
	s.Must(err)
	var root tlog.RootBuilder
	messages := 0
	for i := range records {
		s.Must(records[i].Check())
		root.Append(records[i].LeafHash())
		if records[i].Op == record.MessageCreate {
			messages++
			if records[i].Entry.IsZero() || records[i].PayloadLen == 0 || records[i].Policy == (envelope.Hash{}) {
				t.Errorf("message record %d lacks its hashes", records[i].ID)
			}
		}
	}
	if at.Size != want || at.Root != root.Root() || messages != 10 {
		t.Errorf("checkpoint of %d records, %d messages; want %d and 10, and the root of the leaves", at.Size, messages, want)
	}
}

// Another process on the same database goes on where the first one was.
func TestPlaceAfterRestart(t *testing.T) {
	t.Parallel()
	s, c, ann, _ := desk(t)
	c.Place(ann, c.Seal(ann, "before"))
	s.Service = s.Again(s.Engine)
	c.Place(ann, c.Seal(ann, "after"))
	if m := c.State.Messages; m != 2 {
		t.Errorf("%d messages", m)
	}
}
