package core_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"chancery/core"
	"chancery/core/coretest"
	"chancery/core/store"
	"chancery/crypto/envelope"
)

func TestOutage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		code string // "" when it is no outage
	}{
		{&os.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}, "storage.full"},
		{&pgconn.PgError{Code: "53100"}, "storage.full"},
		{&pgconn.PgError{Code: "57P03"}, "storage.away"},
		{&pgconn.PgError{Code: "53300"}, "storage.away"},
		{&pgconn.PgError{Code: "08006"}, "storage.away"},
		{io.ErrUnexpectedEOF, "storage.away"},
		{syscall.ECONNRESET, "storage.away"},
		{&pgconn.PgError{Code: "23505"}, ""},
		{&pgconn.PgError{Code: "22021"}, ""},
		{errors.New("a fault of ours"), ""},
		{context.Canceled, ""},
	} {
		got := ""
		if e := core.Outage("x", fmt.Errorf("doing: %w", c.err)); e != nil {
			got = e.Code
		}
		if got != c.code {
			t.Errorf("%v: code %q, want %q", c.err, got, c.code)
		}
	}
	_, err := pgconn.Connect(t.Context(), "host=/nonexistent user=x dbname=x")
	if e := core.Outage("x", err); e == nil || e.Code != "storage.away" {
		t.Errorf("a real failure to connect, %v, gives %v", err, e)
	}
}

// losing is the real store on a connection that breaks: before the batch is
// stored, or after it, when only the word of it is lost.
type losing struct {
	*store.DB
	mu     sync.Mutex
	before int
	after  int
}

func (l *losing) Append(ctx context.Context, drafts []*core.Draft) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.before > 0 {
		l.before--
		return syscall.ECONNRESET
	}
	err := l.DB.Append(ctx, drafts)
	if l.after > 0 && err == nil {
		l.after--
		return io.ErrUnexpectedEOF
	}
	return err
}

// TestUnknownOutcomeIsReadBack: an entry whose commit was not heard of stands
// once, is acknowledged and published once, without the sender's doing.
func TestUnknownOutcomeIsReadBack(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]*losing{"before": {before: 2}, "after": {after: 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c, ann, _ := desk(t)
			l.DB = s.DB
			other := again(t, s, l)
			heard := s.Heard.Count()
			receipt, err := other.Place(t.Context(), ann.P, c.ID, c.Seal(ann, "hello"))
			s.Must(err)
			if len(receipt) == 0 || s.Heard.Count() != heard+1 {
				t.Errorf("a receipt of %d bytes, %d times published", len(receipt), s.Heard.Count()-heard)
			}
			if n := s.Number(`SELECT count(*) FROM entries WHERE kind = 2`); n != 1 {
				t.Errorf("%d messages stand", n)
			}
		})
	}
}

// again is the same server on another store.
func again(t *testing.T, s *coretest.Server, db core.Store) *core.Service {
	t.Helper()
	conf := s.Service.Config
	conf.Store = db
	service := core.New(conf)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx) }()
	t.Cleanup(func() { stop(); s.Must(<-done) })
	return service
}

// TestVaultCopyLost: a message is refused while one copy of the vault is away.
func TestVaultCopyLost(t *testing.T) {
	t.Parallel()
	s, c, ann, _ := desk(t)
	copyDir := s.Vault.Doctor().Copies[1].Dir
	s.Must(os.Rename(copyDir, copyDir+".away"))
	post := c.Seal(ann, "not in every copy")
	_, err := s.Place(t.Context(), ann.P, c.ID, post)
	if core.KindOf(err) != core.Unavailable {
		t.Errorf("with a lost copy of the vault: %v", err)
	}
	if n := s.Number(`SELECT count(*) FROM entries WHERE kind = 2`); n != 0 {
		t.Errorf("%d messages stand", n)
	}
	s.Must(os.Rename(copyDir+".away", copyDir))
	c.Place(ann, post)
}

// TestNamesAreChecked: names in signed bytes, which no schema sees.
func TestNamesAreChecked(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "a\x00b", "a\x1b[2Jb", "a\nb", "a\u0085b", "\xff", string(make([]byte, 101))} {
		if core.KindOf(core.CheckName("x", "name", name, 100)) != core.Invalid {
			t.Errorf("%q passes for a name", name)
		}
	}
	if err := core.CheckName("x", "name", "Ann's 2nd laptop – büro 日本", 100); err != nil {
		t.Error(err)
	}
	s := coretest.Start(t)
	s.Found(envelope.CaptureOff)
	ann := s.SignIn("members.ann")
	in := ann.GenesisNamed("a\x00b")
	if err := s.StartUser(t.Context(), ann.P, in); core.KindOf(err) != core.Invalid {
		t.Errorf("a device's name with NUL: %v", err)
	}
}
