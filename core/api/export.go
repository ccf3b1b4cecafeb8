package api

import (
	"context"
	"net/http"

	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

// Exports are schedules and the archives that they make.
type Exports interface {
	SetSchedule(ctx context.Context, p identity.Principal, in wire.Order) (wire.Schedule, error)
	ApproveSchedule(ctx context.Context, p identity.Principal, id string, in wire.Order) (wire.Schedule, error)
	Schedules(ctx context.Context, p identity.Principal) (wire.Schedules, error)
	RunSchedule(ctx context.Context, p identity.Principal, id string) (wire.Export, error)
	Exports(ctx context.Context, p identity.Principal, state wire.State) (wire.Exports, error)
	Export(ctx context.Context, p identity.Principal, id envelope.Hash) (wire.Export, error)
	// MayPutOpenings is asked before the openings are read.
	MayPutOpenings(ctx context.Context, p identity.Principal, id envelope.Hash) error
	PutOpenings(ctx context.Context, p identity.Principal, id envelope.Hash, in wire.Openings) error
}

// maxOpenings is the largest sealed openings file, in bytes of JSON: a million
// messages of 32 bytes each, twice over for base64 and the framing.
const maxOpenings = 256 << 20

type (
	scheduleInput struct {
		Schedule string `path:"schedule" pattern:"^[a-z0-9][a-z0-9-]{0,62}$"`
	}
	scheduleOrderInput struct {
		Schedule string `path:"schedule" pattern:"^[a-z0-9][a-z0-9-]{0,62}$"`
		Body     wire.Order
	}
	exportInput struct {
		Export envelope.Hash `path:"export"`
	}
	exportsInput struct {
		State wire.State `query:"state" enum:"cut,writing,sealed,signed,delivered,failed"`
	}
	openingsInput struct {
		Export envelope.Hash `path:"export"`
		Body   wire.Openings
	}
)

// seals asks whether the caller is a recorder of the export.
func (a *API) seals(ctx context.Context, p identity.Principal, r *http.Request) error {
	var export envelope.Hash
	if err := export.UnmarshalText([]byte(r.PathValue("export"))); err != nil {
		return malformed("export", err.Error())
	}
	return a.Exports.MayPutOpenings(ctx, p, export)
}

func (a *API) exports() {
	if a.Exports == nil {
		return
	}
	answers(a, route{method: "POST", path: "/v1/exports/schedules", action: policy.ExportScheduleSet, limit: maxOrder, first: a.reviews, summary: "Order a revision of a schedule"},
		func(ctx context.Context, p identity.Principal, in *orderInput) (wire.Schedule, error) {
			return a.Exports.SetSchedule(ctx, p, in.Body)
		})
	answers(a, route{method: "POST", path: "/v1/exports/schedules/{schedule}/approve", action: policy.ExportScheduleApprove, limit: maxOrder, first: a.reviews, summary: "Consent to a schedule"},
		func(ctx context.Context, p identity.Principal, in *scheduleOrderInput) (wire.Schedule, error) {
			return a.Exports.ApproveSchedule(ctx, p, in.Schedule, in.Body)
		})
	answers(a, route{method: "GET", path: "/v1/exports/schedules", action: policy.ExportScheduleList, summary: "All schedules"},
		func(ctx context.Context, p identity.Principal, _ *none) (wire.Schedules, error) {
			return a.Exports.Schedules(ctx, p)
		})
	answers(a, route{method: "POST", path: "/v1/exports/schedules/{schedule}/run", action: policy.ExportRun, status: 201, summary: "Start an export now"},
		func(ctx context.Context, p identity.Principal, in *scheduleInput) (wire.Export, error) {
			return a.Exports.RunSchedule(ctx, p, in.Schedule)
		})
	answers(a, route{method: "GET", path: "/v1/exports", action: policy.ExportList, summary: "Export runs"},
		func(ctx context.Context, p identity.Principal, in *exportsInput) (wire.Exports, error) {
			return a.Exports.Exports(ctx, p, in.State)
		})
	answers(a, route{method: "GET", path: "/v1/exports/{export}", action: policy.ExportRead, summary: "One export run"},
		func(ctx context.Context, p identity.Principal, in *exportInput) (wire.Export, error) {
			return a.Exports.Export(ctx, p, in.Export)
		})
	acts(a, route{method: "PUT", path: "/v1/exports/{export}/openings", action: policy.ExportOpeningsPut, limit: maxOpenings, first: a.seals, summary: "A recorder adds the sealed openings"},
		func(ctx context.Context, p identity.Principal, in *openingsInput) error {
			return a.Exports.PutOpenings(ctx, p, in.Export, in.Body)
		})
}
