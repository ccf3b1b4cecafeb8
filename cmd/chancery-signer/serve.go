package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"chancery/crypto/sign"
	"chancery/crypto/sign/signer"
)

// idle is how long a connection may say nothing.
const idle = 10 * time.Minute

// maxConns bounds the connections that are open at once.
const maxConns = 16

// serve answers on a unix socket until ctx ends and every answer was given.
func serve(ctx context.Context, s *state, path string, mode os.FileMode, log *slog.Logger) error {
	listener, err := listen(path, mode)
	if err != nil {
		return err
	}
	log.Info("signer is ready", "socket", path, "key", sign.IDOf(s.key.Public()).String())
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	var conns sync.WaitGroup
	defer conns.Wait()
	slots := make(chan struct{}, maxConns)
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting: %w", err)
		}
		slots <- struct{}{}
		conns.Go(func() {
			defer func() { <-slots }()
			talk(ctx, s, conn, log)
		})
	}
}

// listen takes the place of a socket that nobody answers on.
func listen(path string, mode os.FileMode) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&fs.ModeSocket == 0 {
			return nil, fmt.Errorf("%s is there and is no socket", path)
		}
		if conn, err := net.Dial("unix", path); err == nil {
			return nil, errors.Join(fmt.Errorf("somebody answers on %s", path), conn.Close())
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// talk answers one connection's requests in their order.
func talk(ctx context.Context, s *state, conn net.Conn, log *slog.Logger) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Now()) })
	defer stop()
	for ctx.Err() == nil {
		if err := conn.SetDeadline(time.Now().Add(idle)); err != nil || ctx.Err() != nil {
			return
		}
		var r signer.Request
		if err := signer.ReadFrame(conn, &r); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded) {
				log.Warn("connection ended", "err", err)
			}
			return
		}
		a := s.answer(&r)
		if a.Code != "" {
			log.Warn("refused", "kind", r.Kind, "code", a.Code, "text", a.Text)
		}
		if err := signer.WriteFrame(conn, a); err != nil {
			log.Warn("answer was not taken", "err", err)
			return
		}
	}
}
