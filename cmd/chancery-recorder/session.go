package main

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"chancery/cmd/internal/client"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// session is the recorder's session by its key. It signs in when it has none,
// and once more when the server no longer takes it.
type session struct {
	org envelope.OrgID
	key *seal.SigningKey

	mu        sync.Mutex
	transport *client.Transport
	signedIn  bool
}

// current gives a signed-in transport. Old is one that was refused, or nil.
func (s *session) current(ctx context.Context, old *client.Transport) (*client.Transport, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signedIn && s.transport != old {
		return s.transport, nil
	}
	in, err := s.transport.SignInKey(ctx, s.org, envelope.RoleRecorder, s.key)
	if err != nil {
		return nil, err
	}
	s.transport, s.signedIn = s.transport.WithToken(in.Token), true
	return s.transport, nil
}

// call makes one request in the session.
func call[T any](ctx context.Context, s *session, do func(*client.Transport) (T, error)) (T, error) {
	var out T
	t, err := s.current(ctx, nil)
	if err != nil {
		return out, err
	}
	if out, err = do(t); !ended(err) {
		return out, err
	}
	if t, err = s.current(ctx, t); err != nil {
		return out, err
	}
	return do(t)
}

func ended(err error) bool {
	problem, ok := errors.AsType[*client.Problem](err)
	return ok && problem.Status == http.StatusUnauthorized
}
