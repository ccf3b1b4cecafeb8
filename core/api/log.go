package api

import (
	"context"
	"net/http"

	"chancery/core"
	"chancery/identity"
	"chancery/policy"
)

// Records is the organisation's transparency log (C2SP tlog-tiles).
type Records interface {
	// Checkpoint is the newest signed note; false before the first.
	Checkpoint(ctx context.Context) (string, bool, error)
	// Tile is the tile at a path below "tile/"; false when there is none.
	Tile(ctx context.Context, path string) ([]byte, bool, error)
}

func (a *API) records() {
	if a.Records == nil {
		return
	}
	a.streams(route{method: "GET", path: "/v1/log/checkpoint", action: policy.CheckpointRead, summary: "The log's newest signed note"},
		a.logFile("text/plain; charset=utf-8", func(r *http.Request) ([]byte, bool, error) {
			note, found, err := a.Records.Checkpoint(r.Context())
			return []byte(note), found, err
		}))
	a.streams(route{method: "GET", path: "/v1/log/tile/{path...}", action: policy.CheckpointRead, summary: "A tile of the log"},
		a.logFile("application/octet-stream", func(r *http.Request) ([]byte, bool, error) {
			return a.Records.Tile(r.Context(), r.PathValue("path"))
		}))
}

// logFile asks policy itself: the log has no other operation than being read.
func (a *API) logFile(kind string, read func(*http.Request) ([]byte, bool, error)) func(http.ResponseWriter, *http.Request, identity.Principal) error {
	return func(w http.ResponseWriter, r *http.Request, p identity.Principal) error {
		log := policy.Resource{Type: policy.CheckpointResource, ID: "log"}
		if _, _, _, err := a.Gate.Permit(r.Context(), p, policy.CheckpointRead, log); err != nil {
			return err
		}
		b, found, err := read(r)
		if err != nil {
			return err
		}
		if !found {
			return &core.Error{Op: "checkpoint.read", Kind: core.NotFound, Code: "not_found", Public: "the log has nothing there"}
		}
		w.Header().Set("Content-Type", kind)
		_, err = w.Write(b)
		return err
	}
}
