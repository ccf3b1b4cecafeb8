package api

import (
	"net/http"

	"chancery/core"
	"chancery/identity"
)

func (a *API) health() {
	a.streams(route{method: "GET", path: "/livez", public: "a supervisor has no session", free: true, summary: "The process runs"},
		func(w http.ResponseWriter, r *http.Request, _ identity.Principal) error { return text(w, "ok\n") })
	a.streams(route{method: "GET", path: "/readyz", public: "a load balancer has no session", free: true, summary: "Requests can be answered"}, a.readyz)
}

func (a *API) readyz(w http.ResponseWriter, r *http.Request, _ identity.Principal) error {
	if a.Ready != nil {
		if err := a.Ready(r); err != nil {
			return &core.Error{Op: "readyz", Kind: core.Unavailable, Code: "unavailable", Public: "the server is starting, stopping or without its database", Err: err}
		}
	}
	return text(w, "ok\n")
}

func text(w http.ResponseWriter, body string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := w.Write([]byte(body))
	return err
}
