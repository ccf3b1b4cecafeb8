package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"chancery/cmd/internal/client"
)

// The agent's socket carries JSON values, one a line: a request, then input
// from the command's side and output from the agent's, last the exit code.

// request starts a command.
type request struct {
	Args   []string `json:"args,omitempty"`
	Cwd    string   `json:"cwd,omitempty"`
	Stop   bool     `json:"stop,omitempty"`
	Status bool     `json:"status,omitempty"`
}

// input is a piece of the command's standard input.
type input struct {
	In  []byte `json:"in,omitempty"`
	EOF bool   `json:"eof,omitempty"`
}

// output is a piece of what the command prints, or its end.
type output struct {
	Out  []byte `json:"out,omitempty"`
	Err  []byte `json:"err,omitempty"`
	Exit *int   `json:"exit,omitempty"`
}

// forward runs this very command in the agent.
func (a *app) forward(ctx context.Context, conn net.Conn) error {
	return a.forwardArgs(ctx, conn, request{Args: a.args, Cwd: a.cwd})
}

func (a *app) forwardArgs(ctx context.Context, conn net.Conn, r request) error {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	send := json.NewEncoder(conn)
	if err := send.Encode(r); err != nil {
		return agentGone(err)
	}
	go a.feed(send) // ends with the process: nothing can interrupt a read of a terminal
	receive := json.NewDecoder(conn)
	for {
		var o output
		if err := receive.Decode(&o); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return agentGone(err)
		}
		if err := a.emit(o); err != nil {
			return err
		}
		if o.Exit != nil {
			return &exited{*o.Exit}
		}
	}
}

func agentGone(err error) error {
	return &hint{fmt.Errorf("asking the agent: %w: %w", client.ErrUnavailable, err), "chancery agent start"}
}

func (a *app) emit(o output) error {
	if _, err := a.out.Write(o.Out); err != nil {
		return err
	}
	_, err := a.err.Write(o.Err)
	return err
}

// feed sends standard input to the agent.
func (a *app) feed(send *json.Encoder) {
	buf := make([]byte, 32<<10)
	for {
		n, err := a.in.Read(buf)
		if n > 0 && send.Encode(input{In: buf[:n]}) != nil {
			return
		}
		if err != nil {
			_ = send.Encode(input{EOF: true}) // the agent may be done already
			return
		}
	}
}

// serve runs one request of a command.
func (g *agent) serve(ctx context.Context, conn net.Conn) error {
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	receive := json.NewDecoder(conn)
	var r request
	if err := receive.Decode(&r); err != nil {
		if errors.Is(err, io.EOF) {
			return nil // only looked whether somebody answers
		}
		return fmt.Errorf("reading request: %w", err)
	}
	in, feed := io.Pipe()
	done := make(chan struct{})
	go func() { // ends when the connection does
		defer close(done)
		pump(receive, feed, cancel)
	}()
	send := &sender{enc: json.NewEncoder(conn)}
	code := g.execute(ctx, r, in, send)
	err := send.put(output{Exit: &code})
	err = errors.Join(err, in.Close(), conn.Close())
	<-done
	if r.Stop {
		g.stop()
	}
	return err
}

// pump passes input on until the other side closes, which cancels the command.
func pump(receive *json.Decoder, feed *io.PipeWriter, cancel context.CancelFunc) {
	defer cancel()
	for {
		var i input
		if err := receive.Decode(&i); err != nil {
			feed.CloseWithError(io.ErrUnexpectedEOF)
			return
		}
		if len(i.In) > 0 {
			_, _ = feed.Write(i.In) // fails when the command has stopped reading
		}
		if i.EOF {
			feed.Close()
		}
	}
}

func (g *agent) execute(ctx context.Context, r request, in io.Reader, send *sender) int {
	a := &app{
		args: r.Args, cwd: r.Cwd, in: in, out: send.stream(false), err: send.stream(true), now: g.app.now,
		shared: g.s, host: g.app.flags.home,
	}
	switch {
	case r.Stop:
		return 0
	case r.Status:
		a.running, a.flags.json = true, wantsJSON(r.Args)
		return a.report(g.status(a))
	}
	if err := g.refresh(ctx); err != nil {
		a.running, a.flags.json = true, wantsJSON(r.Args)
		return a.report(err)
	}
	return a.execute(ctx)
}

func wantsJSON(args []string) bool {
	for _, x := range args {
		if x == "--json" || x == "--json=true" {
			return true
		}
	}
	return false
}

// sender writes output values, one at a time.
type sender struct {
	mu  sync.Mutex
	enc *json.Encoder
}

func (s *sender) put(o output) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.enc.Encode(o)
}

// stream is the command's standard output, or its error output.
func (s *sender) stream(isErr bool) io.Writer { return stream{s, isErr} }

type stream struct {
	s     *sender
	isErr bool
}

func (w stream) Write(b []byte) (int, error) {
	o := output{Out: b}
	if w.isErr {
		o = output{Err: b}
	}
	if err := w.s.put(o); err != nil {
		return 0, err
	}
	return len(b), nil
}
