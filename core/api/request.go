package api

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"chancery/core"
	"chancery/identity"
)

// request is what becomes known of a request on its way, for its log line.
type request struct {
	id        string
	route     string
	principal identity.Principal
	asked     *core.Asked // nil: nobody needs to be
	err       error
}

// undecided tells that success would be an answer that nobody permitted.
func (r *request) undecided() bool { return r.asked != nil && !r.asked.Allowed() }

type requestKey struct{}

// requestOf finds the request that ctx belongs to; outside of one it gives an
// empty one, so that nobody has to ask.
func requestOf(ctx context.Context) *request {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		return r
	}
	return &request{}
}

// observe gives every request its id, its headers, its log line and a problem
// document for a panic.
func (a *API) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		req := &request{id: rand.Text(), route: "none"}
		r = r.WithContext(context.WithValue(r.Context(), requestKey{}, req))
		out := &writer{ResponseWriter: w, req: req}
		out.trip = func() { a.tripped(out, r) }
		defer func() {
			if cause := recover(); cause != nil {
				a.panicked(out, r, cause)
			}
			a.report(r, req, out.status, time.Since(began))
		}()
		secure(w.Header())
		w.Header().Set("X-Request-Id", req.id)
		next.ServeHTTP(out, r)
		if out.status == 0 {
			out.WriteHeader(http.StatusOK)
		}
	})
}

var errUndecided = errors.New("success without a decision: an operation does not ask policy")

// tripped answers in the place of a success that nobody permitted, and raises
// the alarm: it is a fault of this program.
func (a *API) tripped(w *writer, r *http.Request) {
	req := requestOf(r.Context())
	a.Log.ErrorContext(r.Context(), "answer withheld", "alarm", true, "request", req.id, "route", req.route, "err", errUndecided)
	a.metrics.undecided.Inc()
	clear(w.Header())
	secure(w.Header())
	w.Header().Set("X-Request-Id", req.id)
	a.fail(w, r, errUndecided)
}

func (a *API) panicked(w *writer, r *http.Request, cause any) {
	if cause == http.ErrAbortHandler {
		return
	}
	err := fmt.Errorf("panic: %v", cause)
	a.Log.ErrorContext(r.Context(), "request panicked", "request", requestOf(r.Context()).id, "err", err, "stack", string(debug.Stack()))
	if w.status == 0 {
		a.fail(w, r, err)
	}
}

// report is the one wide event of a request.
func (a *API) report(r *http.Request, req *request, status int, took time.Duration) {
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("request", req.id), slog.String("method", r.Method), slog.String("route", req.route),
		slog.Int("status", status), slog.Float64("ms", float64(took.Microseconds())/1000),
		slog.Int64("account", int64(req.principal.User)), slog.Int64("session", int64(req.principal.Session)),
	}
	if req.err != nil {
		attrs = append(attrs, slog.String("code", problemOf(req.err).Code))
		switch core.KindOf(req.err) {
		case core.Internal, core.Unavailable, core.Full:
			level = slog.LevelError
			attrs = append(attrs, slog.Any("err", req.err))
		}
	}
	a.Log.LogAttrs(r.Context(), level, "request", attrs...)
	if req.asked.Denied() {
		a.paces.denied(req.principal)
	}
	a.metrics.observe(req.route, r.Method, status, took)
}

// secure sets what every answer carries: nothing here is to be kept by a cache,
// framed, sniffed or run.
func secure(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Strict-Transport-Security", "max-age=31536000")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

// fail answers with a problem document, for handlers outside huma.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	req := requestOf(r.Context())
	req.err = err
	p := *problemOf(err)
	p.RequestID = req.id
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	if err := json.NewEncoder(w).Encode(p); err != nil {
		a.Log.DebugContext(r.Context(), "answer not sent", "request", req.id, "err", err)
	}
}

// writer remembers the status for the log, and lets no success out that nobody
// permitted.
type writer struct {
	http.ResponseWriter
	req      *request
	status   int
	trip     func() // answers instead
	withheld bool   // it has; the rest of the answer goes nowhere
}

func (w *writer) WriteHeader(status int) {
	switch {
	case w.withheld:
		return
	case w.status == 0 && status < http.StatusBadRequest && w.req.undecided():
		w.trip()
		w.withheld = true
		return
	case w.status == 0:
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.withheld {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController through.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack is for the live socket, whose library asks the writer itself.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.req.undecided() {
		return nil, nil, errUndecided
	}
	w.status = http.StatusSwitchingProtocols
	return http.NewResponseController(w.ResponseWriter).Hijack()
}
