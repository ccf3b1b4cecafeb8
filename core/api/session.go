package api

import (
	"context"

	"chancery/core/wire"
	"chancery/identity"
	"chancery/policy"
)

type (
	none          struct{}
	loginInput    struct{ Body wire.Login }
	keyLoginInput struct{ Body wire.KeyLogin }
	bindInput     struct{ Body wire.BindDevice }
)

func (a *API) session() {
	answers(a, route{method: "POST", path: "/v1/session/nonce", public: "needed to sign in", summary: "What the next login statement signs"},
		func(ctx context.Context, _ identity.Principal, _ *none) (wire.Nonce, error) { return a.Core.Nonce(ctx) })
	answers(a, route{method: "POST", path: "/v1/session", public: "how a person gets a session; policy is asked once it is known who", summary: "Sign in through a directory"},
		func(ctx context.Context, _ identity.Principal, in *loginInput) (wire.Session, error) {
			return a.Core.Login(ctx, in.Body)
		})
	answers(a, route{method: "POST", path: "/v1/session/key", public: "how a listed key gets a session; policy is asked once it is known which", summary: "Sign in by a listed key"},
		func(ctx context.Context, _ identity.Principal, in *keyLoginInput) (wire.Session, error) {
			return a.Core.LoginKey(ctx, in.Body)
		})
	answers(a, route{method: "GET", path: "/v1/session", action: policy.SessionList, summary: "Who the session belongs to"},
		func(ctx context.Context, p identity.Principal, _ *none) (wire.Person, error) {
			return a.Core.Whoami(ctx, p)
		})
	acts(a, route{method: "PUT", path: "/v1/session/device", action: policy.SessionRefresh, summary: "Tie the session to a device"},
		func(ctx context.Context, p identity.Principal, in *bindInput) error {
			return a.Core.BindDevice(ctx, p, in.Body)
		})
	acts(a, route{method: "DELETE", path: "/v1/session", action: policy.SessionRevoke, summary: "Sign out"},
		func(ctx context.Context, p identity.Principal, _ *none) error { return a.Core.Logout(ctx, p) })
}
