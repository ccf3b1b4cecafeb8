package api

import (
	"context"
	"net/http"

	"chancery/core"
	"chancery/core/wire"
	"chancery/crypto/envelope"
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

// Following is what those who follow the log ask for, and what they bring.
type Following interface {
	Witnessed(ctx context.Context, p identity.Principal, known int64) (wire.Witnessed, error)
	Leaves(ctx context.Context, p identity.Principal, from int64) (wire.Leaves, error)
	Logged(ctx context.Context, p identity.Principal, channel envelope.ChannelID, position uint64, size int64) (wire.Logged, error)
	Cosign(ctx context.Context, p identity.Principal, in wire.Cosignature) error
}

type (
	witnessedInput struct {
		Known int64 `query:"known" minimum:"0" doc:"size of the checkpoint to prove consistency with"`
	}
	leavesInput struct {
		From int64 `query:"from" minimum:"0"`
	}
	loggedInput struct {
		Channel  envelope.ChannelID `path:"channel"`
		Position uint64             `path:"position" minimum:"1" maximum:"9223372036854775807"`
		Size     int64              `query:"size" minimum:"1" doc:"of the log to prove it in"`
	}
	cosignInput struct {
		Body wire.Cosignature
	}
)

func (a *API) following() {
	if a.Following == nil {
		return
	}
	answers(a, route{method: "GET", path: "/v1/log/witnessed", action: policy.CheckpointRead, summary: "The newest checkpoints that recorders and witnesses cosigned"},
		func(ctx context.Context, p identity.Principal, in *witnessedInput) (wire.Witnessed, error) {
			return a.Following.Witnessed(ctx, p, in.Known)
		})
	answers(a, route{method: "GET", path: "/v1/log/leaves", action: policy.CheckpointFollow, summary: "The records that the log commits to"},
		func(ctx context.Context, p identity.Principal, in *leavesInput) (wire.Leaves, error) {
			return a.Following.Leaves(ctx, p, in.From)
		})
	answers(a, route{method: "GET", path: "/v1/channels/{channel}/entries/{position}/logged", action: policy.CheckpointProve, summary: "That an entry of one's own is in the log"},
		func(ctx context.Context, p identity.Principal, in *loggedInput) (wire.Logged, error) {
			return a.Following.Logged(ctx, p, in.Channel, in.Position, in.Size)
		})
	acts(a, route{method: "POST", path: "/v1/log/cosignatures", action: policy.CheckpointCosign, summary: "Bring a recorder's or witness's signature of a checkpoint"},
		func(ctx context.Context, p identity.Principal, in *cosignInput) error {
			return a.Following.Cosign(ctx, p, in.Body)
		})
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
