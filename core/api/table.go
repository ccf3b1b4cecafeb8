package api

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"chancery/core"
	"chancery/identity"
	"chancery/policy"
)

// route is what every way into the server declares.
type route struct {
	method  string
	path    string
	action  policy.Action // that the operation asks policy for
	public  string        // instead of an action: why nobody is asked
	free    bool          // public, and as often as one likes
	summary string
	limit   int64 // largest body in bytes; 0 is 64 KiB
	first   ask   // asked before a body beyond 64 KiB is read; needed with a larger limit
	status  int   // of success; 0 is 200, or 204 without an answer
}

// ask permits taking in a large body. What the body asks for is permitted by its
// operation.
type ask func(context.Context, identity.Principal, *http.Request) error

// smallBody is what a route may read before policy is asked, in bytes.
const smallBody = 64 << 10

// bodyTime is how long a body of JSON may take to arrive.
const bodyTime = 30 * time.Second

func (r route) pattern() string { return r.method + " " + r.path }

// check panics on a route that nobody is asked about, or that reads without
// bounds: a server with one must not start.
func (r route) check() {
	if _, known := r.action.Spec(); known == (r.public != "") {
		panic(fmt.Sprintf("route %s needs a known policy action or a reason to be public, and not both: action %q", r.pattern(), r.action))
	}
	if r.limit <= 0 || r.limit > smallBody && (r.first == nil || r.public != "") {
		panic(fmt.Sprintf("route %s needs a limit for its body, and whom to ask before it reads %d bytes", r.pattern(), r.limit))
	}
}

// large tells that the body of a request is more than may be read unasked.
func (r route) large(in *http.Request) bool {
	return r.limit > smallBody && (in.ContentLength < 0 || in.ContentLength > smallBody)
}

// table is where huma and the handlers outside it register. Nothing gets into
// the mux but by declare.
type table struct {
	*http.ServeMux
	api    *API
	routes map[string]route
}

// declare must come before HandleFunc of the same pattern.
func (t *table) declare(r route) {
	r.check()
	t.routes[r.pattern()] = r
}

// HandleFunc implements humago.Mux.
func (t *table) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	r, ok := t.routes[pattern]
	if !ok {
		panic("route " + pattern + " is not declared")
	}
	t.ServeMux.HandleFunc(pattern, t.api.guard(r, handler))
}

// guard finds out who asks before a byte of the body is read.
func (a *API) guard(r route, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, in *http.Request) {
		in, err := a.enter(r, in)
		if err != nil {
			a.fail(w, in, err)
			return
		}
		in.Body = http.MaxBytesReader(w, in.Body, r.limit)
		next(w, in)
	}
}

// enter says whether the request may be read. What it gives back notes from here
// on whether policy was asked.
func (a *API) enter(r route, in *http.Request) (*http.Request, error) {
	req := requestOf(in.Context())
	req.route = r.path
	if r.public != "" && !r.free {
		if err := a.paces.stranger(in); err != nil {
			return in, err
		}
	}
	if r.public == "" {
		p, err := a.Core.Authenticate(in.Context(), bearer(in))
		if err != nil {
			return in, err
		}
		if err := a.paces.person(p); err != nil {
			return in, err
		}
		req.principal = p
		ctx, asked := core.Watch(in.Context())
		req.asked, in = asked, in.WithContext(ctx)
	}
	if in.ContentLength > r.limit {
		return in, &http.MaxBytesError{Limit: r.limit}
	}
	if r.large(in) {
		return in, r.first(core.Unwatched(in.Context()), req.principal, in)
	}
	return in, nil
}

// bearer is the token of the request, or "". It is never taken from the URL,
// which others log.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

// ServeHTTP answers unknown paths and methods with a problem document too.
func (t *table) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	handler, pattern := t.Handler(r)
	if pattern != "" {
		t.ServeMux.ServeHTTP(w, r)
		return
	}
	probe := &probe{header: http.Header{}}
	handler.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		w.Header()["Allow"] = probe.header["Allow"]
		t.api.fail(w, r, newProblem(http.StatusMethodNotAllowed, "request.method", r.Method+" is not for this path"))
		return
	}
	t.api.fail(w, r, &core.Error{Op: "route", Kind: core.NotFound, Code: "not_found", Public: "there is nothing at this path"})
}

// probe asks the mux what it would answer.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header         { return p.header }
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }
func (p *probe) WriteHeader(status int)      { p.status = status }

// answer is what huma makes a response of.
type answer[T any] struct{ Body T }

// answers registers an operation that gives something back.
func answers[I, O any](a *API, r route, do func(context.Context, identity.Principal, *I) (O, error)) {
	describeBodies[I](a)
	describe(a.schemas(), reflect.TypeFor[O]())
	huma.Register(a.huma, a.operation(r), func(ctx context.Context, in *I) (*answer[O], error) {
		out, err := do(ctx, requestOf(ctx).principal, in)
		if err != nil {
			return nil, a.refuse(ctx, err)
		}
		return &answer[O]{out}, nil
	})
}

// acts registers an operation that gives nothing back.
func acts[I any](a *API, r route, do func(context.Context, identity.Principal, *I) error) {
	describeBodies[I](a)
	huma.Register(a.huma, a.operation(r), func(ctx context.Context, in *I) (*struct{}, error) {
		if err := do(ctx, requestOf(ctx).principal, in); err != nil {
			return nil, a.refuse(ctx, err)
		}
		return nil, nil
	})
}

// refuse keeps the cause for the log and gives the caller the public part.
func (a *API) refuse(ctx context.Context, err error) error {
	req := requestOf(ctx)
	req.err = err
	p := *problemOf(err)
	p.RequestID = req.id
	return &p
}

func describeBodies[I any](a *API) {
	if body, ok := reflect.TypeFor[I]().FieldByName("Body"); ok {
		describe(a.schemas(), body.Type)
	}
}

// streams registers a handler that reads or writes a body by itself.
func (a *API) streams(r route, do func(http.ResponseWriter, *http.Request, identity.Principal) error) {
	op := a.operation(r)
	op.Responses = map[string]*huma.Response{"default": {Description: "see the description, or a problem document"}}
	a.huma.OpenAPI().AddOperation(&op)
	a.table.HandleFunc(r.pattern(), func(w http.ResponseWriter, in *http.Request) {
		if err := do(w, in, requestOf(in.Context()).principal); err != nil {
			a.fail(w, in, err)
		}
	})
}

// operation declares the route and describes it.
func (a *API) operation(r route) huma.Operation {
	if r.limit == 0 {
		r.limit = smallBody
	}
	a.table.declare(r)
	op := huma.Operation{
		OperationID: operationID(r), Method: r.method, Path: r.path, Summary: r.summary,
		MaxBodyBytes: r.limit, BodyReadTimeout: bodyTime, DefaultStatus: r.status, RejectUnknownQueryParameters: true,
		Security:   []map[string][]string{{"session": {}}},
		Extensions: map[string]any{"x-action": string(r.action), "x-max-body": r.limit},
		Tags:       []string{strings.Split(strings.TrimPrefix(r.path, "/v1/"), "/")[0]},
	}
	if r.public != "" {
		op.Security, op.Extensions = nil, map[string]any{"x-public": r.public, "x-max-body": r.limit}
	}
	return op
}

func operationID(r route) string {
	name := strings.NewReplacer("/", "-", "{", "", "}", "", "...", "").Replace(strings.TrimPrefix(r.path, "/"))
	return strings.ToLower(r.method) + "-" + strings.TrimPrefix(name, "v1-")
}
