package api

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"chancery/core"
)

// Problem is the body of every failure (RFC 9457).
type Problem struct {
	Type      string `json:"type" enum:"about:blank"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail" doc:"what was refused, by which rule, what to do next"`
	Code      string `json:"code" doc:"stable: a policy rule or a reason of the validator"`
	Field     string `json:"field,omitempty" doc:"of the request, when one is at fault"`
	Next      string `json:"next,omitempty" doc:"what to do about it"`
	Refusal   []byte `json:"refusal,omitempty" doc:"envelope.Signed over a Refusal: the answer is final for this entry"`
	RequestID string `json:"request_id" doc:"names the request in the server's log"`
}

func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// retryAfter is how long a client should wait, in seconds: longer than a
// restart of the database takes.
const retryAfter = 2

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	switch p.Status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusInsufficientStorage:
		h.Set("Retry-After", strconv.Itoa(retryAfter))
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	}
	return h
}

// statuses is the one table from the kind of a failure to its status.
var statuses = map[core.Kind]int{
	core.Internal:     http.StatusInternalServerError,
	core.Invalid:      http.StatusBadRequest,
	core.Denied:       http.StatusForbidden,
	core.NotFound:     http.StatusNotFound,
	core.Conflict:     http.StatusConflict,
	core.Stale:        http.StatusConflict,
	core.Held:         http.StatusConflict,
	core.Limited:      http.StatusTooManyRequests,
	core.Unavailable:  http.StatusServiceUnavailable,
	core.Unauthorized: http.StatusUnauthorized,
	core.Full:         http.StatusInsufficientStorage,
}

// problemOf tells a stranger no more than the error makes public.
func problemOf(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return newProblem(http.StatusRequestEntityTooLarge, "request.too_large", fmt.Sprintf("the body is larger than %d bytes", e.Limit))
	}
	if e, ok := errors.AsType[*core.Error](err); ok {
		p := newProblem(statuses[e.Kind], e.Code, e.Public)
		p.Field, p.Refusal = e.Field, e.Refusal
		return p
	}
	return newProblem(http.StatusInternalServerError, "internal", "something went wrong on the server")
}

func newProblem(status int, code, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

func malformed(field, detail string) *Problem {
	p := newProblem(http.StatusBadRequest, "request.malformed", detail)
	p.Field = field
	return p
}

// huma keeps how errors look in package variables, so they are set once, here.
func init() {
	huma.ValidateStrictCasing = true
	huma.NewError = fromHuma
	huma.NewErrorWithContext = func(ctx huma.Context, status int, text string, errs ...error) huma.StatusError {
		p := fromHuma(status, text, errs...).(*Problem)
		p.RequestID = requestOf(ctx.Context()).id
		return p
	}
}

// fromHuma gives huma's own refusals the shape of ours. They say where a field
// is wrong; the value itself is left out, since it may be a password.
func fromHuma(status int, text string, errs ...error) huma.StatusError {
	if status >= 500 {
		return newProblem(status, "internal", "something went wrong on the server")
	}
	if status == http.StatusUnprocessableEntity {
		status = http.StatusBadRequest
	}
	code := "request.malformed"
	if status == http.StatusRequestEntityTooLarge {
		code = "request.too_large"
	}
	p := newProblem(status, code, text)
	for _, err := range errs {
		if d, ok := err.(huma.ErrorDetailer); ok && d.ErrorDetail() != nil {
			p.Field, p.Detail = fieldOf(d.ErrorDetail()), d.ErrorDetail().Message
			break
		}
		if err != nil {
			p.Detail = text + ": " + err.Error()
		}
	}
	return p
}

// fieldOf names a field as the caller wrote it. Huma says body.name and path.id,
// and of a member that is missing only what it is missing from.
func fieldOf(d *huma.ErrorDetail) string {
	if missing, ok := strings.CutPrefix(d.Message, "expected required property "); ok {
		name, _, _ := strings.Cut(missing, " ")
		return name
	}
	if _, field, ok := strings.Cut(d.Location, "."); ok {
		return field
	}
	return d.Location
}
