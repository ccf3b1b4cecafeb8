package signer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
)

// Refused is the signer's answer to what it will not sign.
type Refused struct {
	Code Code
	Text string
}

func (r *Refused) Error() string { return "signer refuses: " + string(r.Code) + ": " + r.Text }

// CodeOf finds the code of a refusal, or "" when err is none.
func CodeOf(err error) Code {
	if r, ok := errors.AsType[*Refused](err); ok {
		return r.Code
	}
	return ""
}

// DialFunc connects to the signer's process.
type DialFunc func(ctx context.Context) (net.Conn, error)

// Socket dials a unix socket.
func Socket(path string) DialFunc {
	return func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
}

// Client asks a signer's process, one request at a time. It connects when it is
// first used and again after a failure. It is safe for concurrent use.
type Client struct {
	dial DialFunc
	mu   sync.Mutex
	conn net.Conn
}

// NewClient makes a client; nothing is connected yet.
func NewClient(dial DialFunc) *Client { return &Client{dial: dial} }

// Close ends the connection.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.drop()
}

func (c *Client) drop() error {
	conn := c.conn
	c.conn = nil
	if conn == nil {
		return nil
	}
	return conn.Close()
}

// patience is how long an answer may take: a few writes to disk.
const patience = 30 * time.Second

func (c *Client) ask(ctx context.Context, kind Kind, body []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, err := c.exchange(ctx, &Request{Kind: kind, Body: body})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("asking signer: %w", err), c.drop())
	}
	if a.Code != "" {
		return nil, &Refused{a.Code, a.Text}
	}
	return a.Body, nil
}

func (c *Client) exchange(ctx context.Context, r *Request) (*Answer, error) {
	if c.conn == nil {
		conn, err := c.dial(ctx)
		if err != nil {
			return nil, err
		}
		c.conn = conn
	}
	deadline := time.Now().Add(patience)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := c.conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func(conn net.Conn) func() {
		return func() { _ = conn.SetDeadline(time.Now()) }
	}(c.conn))
	defer stop()
	if err := WriteFrame(c.conn, r); err != nil {
		return nil, err
	}
	var a Answer
	return &a, ReadFrame(c.conn, &a)
}

// Public is the signer's public key: 32 bytes of Ed25519, or 97 of P-384.
func (c *Client) Public(ctx context.Context) ([]byte, error) { return c.ask(ctx, PublicKey, nil) }

// LastCheckpoint is the tree size that was signed last for a log, 0 before the
// first.
func (c *Client) LastCheckpoint(ctx context.Context, origin string) (int64, error) {
	last, err := c.last(ctx, LastCheckpoint, origin)
	return last.Size, err
}

// LastArchive is the ordinal and the manifest hash that were signed last in a
// chain of archives, zero before the first.
func (c *Client) LastArchive(ctx context.Context, origin string) (Last, error) {
	return c.last(ctx, LastArchive, origin)
}

func (c *Client) last(ctx context.Context, kind Kind, origin string) (Last, error) {
	b, err := c.ask(ctx, kind, []byte(origin))
	if err != nil {
		return Last{}, err
	}
	var last Last
	return last, envelope.Unmarshal(b, &last)
}

// SignCheckpoint returns a signed note over a state of the log.
func (c *Client) SignCheckpoint(ctx context.Context, k tlog.Checkpoint, proof []tlog.Hash) ([]byte, error) {
	return c.ask(ctx, SignCheckpoint, envelope.Marshal(&Checkpoint{
		Origin: k.Origin, Size: k.Size, Root: Digest(k.Root), Proof: proof,
	}))
}

// SignArchive returns archive.dsse and archive.note.
func (c *Client) SignArchive(ctx context.Context, a Archive) (*SignedArchive, error) {
	b, err := c.ask(ctx, SignArchive, envelope.Marshal(&a))
	if err != nil {
		return nil, err
	}
	var s SignedArchive
	return &s, envelope.Unmarshal(b, &s)
}

// SignCertificate returns the DSSE envelope of a certificate.
func (c *Client) SignCertificate(ctx context.Context, cert Certificate) ([]byte, error) {
	return c.ask(ctx, SignCert, envelope.Marshal(&cert))
}
