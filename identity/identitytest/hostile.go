package identitytest

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// LDAP operations, as the tag of a message's second element (RFC 4511).
const (
	opBind       = 0
	opBindDone   = 1
	opSearch     = 3
	opEntry      = 4
	opSearchDone = 5
	opReference  = 19
	opExtended   = 23
	opExtDone    = 24
)

// Misdeed is what a hostile server does instead of answering a search.
type Misdeed int

const (
	AnswerSearch Misdeed = iota // with Entries, References and Code
	HangOnBind                  // say nothing to a bind
	HangOnSearch                // say nothing to a search
	FloodEntries                // send the first entry without end
	HugeAnswer                  // announce 2 GB and keep sending
	DropSearch                  // send the entries, then close without a result
	OneSearch                   // close a connection at its second search
)

// Entry is what a hostile server claims to have found.
type Entry struct {
	DN    string
	Attrs map[string][]string
}

// HostileConfig says how a hostile server behaves. Any bind succeeds.
type HostileConfig struct {
	Certificate *tls.Certificate // nil: plaintext
	Misdeed     Misdeed
	Entries     []Entry
	References  []string
	Code        int64 // result of a search
}

// Hostile speaks LDAP and means harm. It runs until Stop.
type Hostile struct {
	Addr string

	cfg      HostileConfig
	listener net.Listener
	cancel   context.CancelFunc
	ctx      context.Context
	tasks    sync.WaitGroup

	mu       sync.Mutex
	binds    []string
	accepted int
}

// StartHostile listens on loopback.
func StartHostile(cfg HostileConfig) (*Hostile, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &Hostile{Addr: listener.Addr().String(), cfg: cfg, listener: listener}
	if cfg.Certificate != nil {
		h.listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{*cfg.Certificate}})
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.tasks.Go(h.accept)
	return h, nil
}

// Stop ends the server and every connection.
func (h *Hostile) Stop() {
	h.cancel()
	h.listener.Close()
	h.tasks.Wait()
}

// Binds returns the DN of every bind received so far.
func (h *Hostile) Binds() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.binds...)
}

// Accepted returns how many connections were made so far.
func (h *Hostile) Accepted() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.accepted
}

func (h *Hostile) accept() {
	for {
		conn, err := h.listener.Accept()
		if err != nil {
			return
		}
		h.mu.Lock()
		h.accepted++
		h.mu.Unlock()
		h.tasks.Go(func() {
			stop := context.AfterFunc(h.ctx, func() { conn.Close() })
			defer stop()
			defer conn.Close()
			h.serve(conn)
		})
	}
}

func (h *Hostile) serve(conn net.Conn) {
	in := bufio.NewReader(conn)
	for searched := false; ; {
		message, err := ber.ReadPacket(in)
		if err != nil || len(message.Children) < 2 {
			return
		}
		if message.Children[1].Tag == opSearch {
			if searched && h.cfg.Misdeed == OneSearch {
				return
			}
			searched = true
		}
		if err := h.answer(conn, message.Children[0].Value, message.Children[1]); err != nil {
			return
		}
	}
}

func (h *Hostile) answer(conn net.Conn, id any, request *ber.Packet) error {
	switch request.Tag {
	case opBind:
		h.noteBind(request)
		if h.cfg.Misdeed == HangOnBind {
			return nil
		}
		return send(conn, id, result(opBindDone, 0))
	case opSearch:
		return h.answerSearch(conn, id)
	case opExtended:
		return send(conn, id, result(opExtDone, 2)) // protocol error: no StartTLS here
	}
	return errors.New("unbind or unknown")
}

func (h *Hostile) noteBind(request *ber.Packet) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.binds = append(h.binds, string(request.Children[1].ByteValue))
}

func (h *Hostile) answerSearch(conn net.Conn, id any) error {
	switch h.cfg.Misdeed {
	case HangOnSearch:
		return nil
	case FloodEntries:
		for {
			if err := send(conn, id, entryPacket(h.cfg.Entries[0])); err != nil {
				return err
			}
		}
	case HugeAnswer:
		return pour(conn)
	}
	for _, e := range h.cfg.Entries {
		if err := send(conn, id, entryPacket(e)); err != nil {
			return err
		}
	}
	for _, url := range h.cfg.References {
		if err := send(conn, id, reference(url)); err != nil {
			return err
		}
	}
	if h.cfg.Misdeed == DropSearch {
		return errors.New("dropping")
	}
	return send(conn, id, result(opSearchDone, h.cfg.Code))
}

// pour announces an octet string of 2 GB and sends it until it is cut off.
func pour(conn net.Conn) error {
	_, err := conn.Write([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0x04, 0x84, 0x7f, 0xff, 0xff, 0x00})
	for block := make([]byte, 64<<10); err == nil; {
		_, err = conn.Write(block)
	}
	return err
}

func send(conn net.Conn, id any, op *ber.Packet) error {
	message := ber.NewSequence("message")
	message.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, "id"))
	message.AppendChild(op)
	_, err := conn.Write(message.Bytes())
	return err
}

func operation(tag ber.Tag) *ber.Packet {
	return ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "operation")
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "octets")
}

func result(tag ber.Tag, code int64) *ber.Packet {
	op := operation(tag)
	op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, "code"))
	op.AppendChild(octets(""))
	op.AppendChild(octets(""))
	return op
}

func reference(url string) *ber.Packet {
	op := operation(opReference)
	op.AppendChild(octets(url))
	return op
}

func entryPacket(e Entry) *ber.Packet {
	op := operation(opEntry)
	op.AppendChild(octets(e.DN))
	attrs := ber.NewSequence("attributes")
	for name, values := range e.Attrs {
		attr := ber.NewSequence("attribute")
		attr.AppendChild(octets(name))
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "values")
		for _, v := range values {
			set.AppendChild(octets(v))
		}
		attr.AppendChild(set)
		attrs.AppendChild(attr)
	}
	op.AppendChild(attrs)
	return op
}
