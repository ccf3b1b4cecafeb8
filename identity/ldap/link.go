package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// answerLimit bounds what one request may make us read. The protocol library
// holds a whole answer in memory and has no bound of its own.
const answerLimit = 8 << 20

var errAnswerTooLarge = errors.New("answer larger than 8 MiB")

// step is where opening a connection stopped.
type step string

const (
	stepDial step = "dial"
	stepTLS  step = "tls"
	stepBind step = "bind"
)

type stepError struct {
	step step
	err  error
}

func (e *stepError) Error() string { return string(e.step) + ": " + e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

// link is one encrypted connection. Every request goes through do, which bounds it.
type link struct {
	conn    *ldap.Conn
	wire    *meter
	timeout time.Duration
	born    time.Time
}

// meter counts down what may still be read. Deadlines are set on it, under
// TLS, where they also end a handshake or a write that hangs.
type meter struct {
	net.Conn
	left atomic.Int64
}

func (m *meter) Read(p []byte) (int, error) {
	if m.left.Load() <= 0 {
		return 0, errAnswerTooLarge
	}
	n, err := m.Conn.Read(p)
	m.left.Add(int64(-n))
	return n, err
}

// connect dials srv and secures the connection within DialTimeout.
func (s *settings) connect(ctx context.Context, srv server) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, s.DialTimeout)
	defer cancel()
	tcp, err := (&net.Dialer{}).DialContext(ctx, "tcp", srv.addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", srv.url, &stepError{stepDial, err})
	}
	l := &link{wire: &meter{Conn: tcp}, timeout: s.DialTimeout, born: time.Now()}
	if err := l.secure(ctx, srv, s.tls(srv)); err != nil {
		tcp.Close()
		return nil, fmt.Errorf("%s: %w", srv.url, &stepError{stepTLS, err})
	}
	l.timeout = s.OpTimeout
	l.conn.SetTimeout(s.OpTimeout)
	return l, nil
}

func (l *link) secure(ctx context.Context, srv server, cfg *tls.Config) error {
	if srv.ldaps {
		l.wire.left.Store(answerLimit)
		secured := tls.Client(l.wire, cfg)
		if err := secured.HandshakeContext(ctx); err != nil {
			return err
		}
		l.conn = ldap.NewConn(secured, true)
		l.conn.Start()
		return nil
	}
	l.conn = ldap.NewConn(l.wire, false)
	l.conn.SetTimeout(l.timeout)
	l.wire.left.Store(answerLimit)
	l.conn.Start()
	if err := l.do(ctx, func(c *ldap.Conn) error { return c.StartTLS(cfg) }); err != nil {
		l.close()
		return fmt.Errorf("StartTLS: %w", err)
	}
	return nil
}

// do runs one request within the link's time limit and ctx. After a timeout
// or a cancelled ctx the link is closed.
func (l *link) do(ctx context.Context, request func(*ldap.Conn) error) error {
	deadline := time.Now().Add(l.timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	l.wire.left.Store(answerLimit)
	l.wire.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { l.wire.SetDeadline(time.Unix(1, 0)) })
	err := request(l.conn)
	if !stop() {
		l.close()
		return errors.Join(ctx.Err(), err)
	}
	l.wire.SetDeadline(time.Time{})
	return err
}

func (l *link) bind(ctx context.Context, dn, password string) error {
	return l.do(ctx, func(c *ldap.Conn) error { return c.Bind(dn, password) })
}

func (l *link) search(ctx context.Context, req *ldap.SearchRequest) ([]*ldap.Entry, error) {
	var entries []*ldap.Entry
	err := l.do(ctx, func(c *ldap.Conn) error {
		res, err := c.Search(req)
		if res != nil {
			// Referrals are left where they are: to follow one is to send
			// the service password to a host the directory chose.
			entries = res.Entries
		}
		return err
	})
	return entries, err
}

func (l *link) usable(maxAge time.Duration) bool {
	return !l.conn.IsClosing() && time.Since(l.born) < maxAge
}

// close cuts the wire first, so that a peer that doesn't read can't hold us up.
func (l *link) close() {
	l.wire.Close()
	l.conn.Close()
}
