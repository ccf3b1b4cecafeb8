package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"
)

// ErrUnavailable is wrapped when the server gave no answer: what was asked may
// or may not have happened.
var ErrUnavailable = errors.New("server can't be reached")

// Problem is the server's refusal (RFC 9457). Refusal is set when it is final
// for an entry: an envelope.Signed that the caller has to verify.
type Problem struct {
	Status    int    `json:"status"`
	Title     string `json:"title"`
	Detail    string `json:"detail"`
	Code      string `json:"code"`
	Field     string `json:"field,omitempty"`
	Next      string `json:"next,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	Refusal   []byte `json:"refusal,omitempty"`

	RetryAfter time.Duration `json:"-"` // how long the server asks to wait; 0 when it does not say
}

func (p *Problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	if p.Field != "" {
		text = p.Field + ": " + text
	}
	if p.Code != "" {
		text += " (" + p.Code + ")"
	}
	return text
}

// Later tells whether the same request may succeed by waiting alone.
func (p *Problem) Later() bool {
	switch p.Status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout,
		http.StatusInsufficientStorage:
		return len(p.Refusal) == 0
	}
	return false
}

// Exit codes of the command lines.
const (
	ExitFailure     = 1
	ExitUsage       = 2
	ExitVerify      = 3
	ExitDenied      = 4
	ExitNotFound    = 5
	ExitConflict    = 6
	ExitUnavailable = 7
	ExitPartial     = 8
)

var exits = map[int]int{
	http.StatusBadRequest: ExitUsage, http.StatusUnprocessableEntity: ExitUsage, http.StatusRequestEntityTooLarge: ExitUsage,
	http.StatusUnauthorized: ExitDenied, http.StatusForbidden: ExitDenied,
	http.StatusNotFound: ExitNotFound, http.StatusGone: ExitNotFound,
	http.StatusConflict: ExitConflict, http.StatusPreconditionFailed: ExitConflict, http.StatusLocked: ExitConflict,
	http.StatusTooManyRequests: ExitUnavailable, http.StatusServiceUnavailable: ExitUnavailable,
	http.StatusBadGateway: ExitUnavailable, http.StatusGatewayTimeout: ExitUnavailable,
	http.StatusInsufficientStorage: ExitUnavailable,
}

// Exit is the command line's exit code for the problem.
func (p *Problem) Exit() int {
	if code, ok := exits[p.Status]; ok {
		return code
	}
	return ExitFailure
}

// problemOf reads a failed response. A proxy's page is turned into a problem by
// its status alone; its text is not repeated.
func problemOf(resp *http.Response) error {
	p := &Problem{}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind == "application/problem+json" {
		if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(p); err != nil {
			return fmt.Errorf("reading the server's problem document: %w", err)
		}
	}
	p.Status = resp.StatusCode
	if p.Title == "" {
		p.Title = http.StatusText(resp.StatusCode)
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		p.RetryAfter = min(time.Duration(s)*time.Second, time.Minute)
	}
	return p
}

// unavailable keeps the caller's own cancelling apart from a silent server.
func unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// NotNow tells whether err leaves open that the same bytes, sent again, succeed.
func NotNow(err error) bool {
	p, ok := errors.AsType[*Problem](err)
	return errors.Is(err, ErrUnavailable) || ok && p.Later()
}
