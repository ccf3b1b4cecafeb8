package api

import (
	"context"
	"net/http"

	"chancery/core"
	"chancery/identity"
	"chancery/policy"
)

func (a *API) live() {
	if a.Live == nil {
		return
	}
	a.streams(route{method: "GET", path: "/v1/live", action: policy.WSConnect, summary: "WebSocket with binary CBOR frames"}, a.connect)
}

func (a *API) connect(w http.ResponseWriter, r *http.Request, p identity.Principal) error {
	if err := a.Core.Connect(r.Context(), p); err != nil {
		return err
	}
	again := func(ctx context.Context) error {
		_, err := a.Core.Authenticate(ctx, bearer(r))
		return err
	}
	if err := a.Live.Serve(w, r, a.Core, p, again); err != nil {
		return &core.Error{Op: "ws.connect", Kind: core.Invalid, Code: "live.upgrade", Public: "this path is for WebSocket connections from this host's own pages and programs", Err: err}
	}
	return nil
}
