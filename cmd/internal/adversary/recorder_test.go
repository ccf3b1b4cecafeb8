package adversary

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"chancery/cmd/internal/client"
	"chancery/compliance/recorder"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/piece"
	"chancery/crypto/seal"
)

// recording is the real recorder with a copy on disk, moved step by step by the
// test, with a clock that the test can set ahead.
type recording struct {
	*recorder.Recorder
	s        *server
	key      *seal.SigningKey
	identity *seal.Identity

	mu     sync.Mutex
	ahead  time.Duration
	alarms []error
}

// newRecording makes the keys. The copy is opened at the first work, since a
// recorder signs in only once it is listed.
func newRecording(s *server) *recording {
	s.t.Helper()
	id, err := seal.GenerateIdentity(s.suite, rand.Reader)
	s.Must(err)
	return &recording{s: s, key: signingKey(s.t), identity: id}
}

func (r *recording) open() {
	if r.Recorder != nil {
		return
	}
	s := r.s
	s.t.Helper()
	api, err := client.New(client.Config{URL: s.url})
	s.Must(err)
	s.t.Cleanup(api.Close)
	in, err := api.SignInKey(s.t.Context(), s.Org().ID(), envelope.RoleRecorder, r.key)
	s.Must(err)
	api.SetToken(in.Token)
	s.know(in.Token, "recorder")
	r.Recorder, err = recorder.Open(recorder.Config{
		Org: s.Org().ID(), Copy: s.t.TempDir(), VaultKeys: s.t.TempDir(), Key: r.key, Identity: r.identity,
		Master: seal.NewDataKey(), Server: reading{api: api}, Now: r.now, Random: rand.Reader, Report: r.report, Poll: time.Second,
	})
	s.Must(err)
	s.t.Cleanup(func() { s.Must(r.Close()) })
}

func (r *recording) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Add(r.ahead)
}

func (r *recording) report(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.alarms = append(r.alarms, err)
}

// work follows a channel until everything is acknowledged and covered that can
// be. It gives what went wrong.
func (r *recording) work(id envelope.ChannelID) error {
	r.open()
	r.mu.Lock()
	before := len(r.alarms)
	r.mu.Unlock()
	var errs []error
	for range 3 {
		_, err := r.Follow(r.s.t.Context(), id)
		errs = append(errs, err)
		r.mu.Lock()
		r.ahead += 2500 * time.Millisecond // more than the quiet that coverage waits for
		r.mu.Unlock()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(append(errs, r.alarms[before:]...)...)
}

// alarmed tells whether an alarm of a reason is in err, whatever else is.
func alarmed(err error, reason recorder.Reason) bool {
	if a, ok := err.(*recorder.Alarm); ok && a.Reason == reason {
		return true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return alarmed(e.Unwrap(), reason)
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), func(err error) bool { return alarmed(err, reason) })
	}
	return false
}

// record lets the recorder work in the desk's channel.
func (d *desk) record() error { return d.recorder.work(d.id) }

// reading is recorder.Server over the public API, as far as channels go. Orders
// are not followed here.
type reading struct {
	recorder.Server
	api *client.Transport
}

func (r reading) OrgChain(ctx context.Context) ([]*envelope.Entry, error) {
	c, err := r.api.Org(ctx)
	if err != nil {
		return nil, err
	}
	return parseAll(c.Entries)
}

func (r reading) UserChain(ctx context.Context, id envelope.UserID) ([]*envelope.Entry, error) {
	c, err := r.api.UserChain(ctx, id)
	if err != nil {
		return nil, err
	}
	return parseAll(c.Entries)
}

func parseAll(raw [][]byte) (out []*envelope.Entry, err error) {
	for i, b := range raw {
		e, err := envelope.ParseEntry(b)
		if err != nil {
			return nil, fmt.Errorf("link %d: %w", i, err)
		}
		out = append(out, e)
	}
	return out, nil
}

func (r reading) Entries(ctx context.Context, id envelope.ChannelID, after uint64) (recorder.Page, error) {
	list, err := r.api.Entries(ctx, id, client.Page{After: after, Limit: 200})
	if err != nil {
		return recorder.Page{}, err
	}
	page := recorder.Page{Position: list.Position, Head: list.Head}
	for _, raw := range list.Entries {
		p, err := envelope.ParsePlaced(raw)
		if err != nil {
			return recorder.Page{}, &recorder.Alarm{Reason: recorder.EntryRefused, Channel: id, Err: err}
		}
		page.Entries = append(page.Entries, p)
	}
	return page, nil
}

func (r reading) Wrap(ctx context.Context, id envelope.ChannelID, n uint64) ([]byte, []envelope.Hash, error) {
	w, err := r.api.EpochWrap(ctx, id, n)
	if err != nil {
		return nil, nil, err
	}
	return w.Wrap, w.Hashes, nil
}

func (r reading) Post(ctx context.Context, id envelope.ChannelID, e *envelope.Entry) error {
	_, err := r.api.PostEntry(ctx, id, newEntry(e, nil))
	if _, answered := errors.AsType[*client.Problem](err); answered && !client.NotNow(err) {
		return errors.Join(recorder.ErrRefused, err)
	}
	return err
}

func (r reading) Notices(ctx context.Context, id envelope.ChannelID, after uint64) (out []recorder.Notice, err error) {
	list, err := r.api.Notices(ctx, id, after)
	if err != nil {
		return nil, err
	}
	for _, n := range list.Notices {
		out = append(out, recorder.Notice{Number: n.Number, Statement: n.Statement})
	}
	return out, nil
}

func (r reading) Tell(ctx context.Context, id envelope.ChannelID, statement []byte) error {
	return r.api.Tell(ctx, id, wire.NewNotice{Statement: statement})
}

func (r reading) Piece(ctx context.Context, id envelope.ChannelID, blob envelope.BlobID, f piece.File, s piece.Span) ([]byte, error) {
	return r.api.Piece(ctx, id, blob, f, s)
}
