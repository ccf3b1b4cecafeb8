package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"chancery/core/wire"
	"chancery/crypto/envelope"
)

// CreateMatter opens a case.
func (t *Transport) CreateMatter(ctx context.Context, in wire.Matter) (*wire.Matter, error) {
	return post[wire.Matter](ctx, t, "v1/matters", in)
}

// Matters are all cases that the caller may see.
func (t *Transport) Matters(ctx context.Context) (*wire.Matters, error) {
	return get[wire.Matters](ctx, t, "v1/matters", nil)
}

// CreateHold orders a legal hold; another person approves it.
func (t *Transport) CreateHold(ctx context.Context, in wire.Order) (*wire.Hold, error) {
	return post[wire.Hold](ctx, t, "v1/holds", in)
}

// ApproveHold makes a hold active.
func (t *Transport) ApproveHold(ctx context.Context, hold envelope.Hash, in wire.Order) (*wire.Hold, error) {
	return post[wire.Hold](ctx, t, "v1/holds/"+hold.String()+"/approve", in)
}

// ReleaseHold asks that a hold ends.
func (t *Transport) ReleaseHold(ctx context.Context, hold envelope.Hash, in wire.Order) (*wire.Hold, error) {
	return post[wire.Hold](ctx, t, "v1/holds/"+hold.String()+"/release", in)
}

// ApproveRelease consents to the end of a hold.
func (t *Transport) ApproveRelease(ctx context.Context, hold envelope.Hash, in wire.Order) (*wire.Hold, error) {
	return post[wire.Hold](ctx, t, "v1/holds/"+hold.String()+"/release/approve", in)
}

// Holds are all holds, with the generation that rises with every change.
func (t *Transport) Holds(ctx context.Context) (*wire.Holds, error) {
	return get[wire.Holds](ctx, t, "v1/holds", nil)
}

// Hold is one hold.
func (t *Transport) Hold(ctx context.Context, id envelope.Hash) (*wire.Hold, error) {
	return get[wire.Hold](ctx, t, "v1/holds/"+id.String(), nil)
}

// SetRule sets a revision of a retention rule.
func (t *Transport) SetRule(ctx context.Context, in wire.Order) (*wire.Rule, error) {
	return post[wire.Rule](ctx, t, "v1/retention/rules", in)
}

// Rules are the retention rules in force.
func (t *Transport) Rules(ctx context.Context) (*wire.Rules, error) {
	return get[wire.Rules](ctx, t, "v1/retention/rules", nil)
}

// CreatePlan lists what is past its time now; nothing is disposed of yet.
func (t *Transport) CreatePlan(ctx context.Context) (*wire.Plan, error) {
	return post[wire.Plan](ctx, t, "v1/retention/plans", nil)
}

// Plans are the disposals in a state; an empty state lists all.
func (t *Transport) Plans(ctx context.Context, state wire.State) (*wire.Plans, error) {
	return get[wire.Plans](ctx, t, "v1/retention/plans", stateQuery(state))
}

// Plan is one disposal.
func (t *Transport) Plan(ctx context.Context, id envelope.Hash) (*wire.Plan, error) {
	return get[wire.Plan](ctx, t, planPath(id, ""), nil)
}

// ApprovePlan consents to a disposal.
func (t *Transport) ApprovePlan(ctx context.Context, id envelope.Hash, in wire.Order) (*wire.Plan, error) {
	return post[wire.Plan](ctx, t, planPath(id, "/approve"), in)
}

// RunPlan makes what an approved plan lists unreadable for ever.
func (t *Transport) RunPlan(ctx context.Context, id envelope.Hash) (*wire.Plan, error) {
	return post[wire.Plan](ctx, t, planPath(id, "/run"), nil)
}

// ConfirmPlan is a recorder's signed word that its own copies are gone too.
func (t *Transport) ConfirmPlan(ctx context.Context, id envelope.Hash, statement []byte) (*wire.Plan, error) {
	return post[wire.Plan](ctx, t, planPath(id, "/confirm"), wire.Statement{Statement: statement})
}

// Why tells what keeps an entry, or when it goes.
func (t *Transport) Why(ctx context.Context, channel envelope.ChannelID, position uint64) (*wire.Why, error) {
	return get[wire.Why](ctx, t, channelPath(channel, "/entries/"+strconv.FormatUint(position, 10)+"/why"), nil)
}

// SetSchedule orders a revision of an export schedule.
func (t *Transport) SetSchedule(ctx context.Context, in wire.Order) (*wire.Schedule, error) {
	return post[wire.Schedule](ctx, t, "v1/exports/schedules", in)
}

// ApproveSchedule consents to a schedule.
func (t *Transport) ApproveSchedule(ctx context.Context, id string, in wire.Order) (*wire.Schedule, error) {
	return post[wire.Schedule](ctx, t, schedulePath(id, "/approve"), in)
}

// RunSchedule starts an export now.
func (t *Transport) RunSchedule(ctx context.Context, id string) (*wire.Export, error) {
	return post[wire.Export](ctx, t, schedulePath(id, "/run"), nil)
}

// Schedules are all export schedules.
func (t *Transport) Schedules(ctx context.Context) (*wire.Schedules, error) {
	return get[wire.Schedules](ctx, t, "v1/exports/schedules", nil)
}

// Exports are the export runs in a state; an empty state lists all.
func (t *Transport) Exports(ctx context.Context, state wire.State) (*wire.Exports, error) {
	return get[wire.Exports](ctx, t, "v1/exports", stateQuery(state))
}

// Export is one export run.
func (t *Transport) Export(ctx context.Context, id envelope.Hash) (*wire.Export, error) {
	return get[wire.Export](ctx, t, "v1/exports/"+id.String(), nil)
}

// PutOpenings is how a recorder adds the sealed openings to an export.
func (t *Transport) PutOpenings(ctx context.Context, id envelope.Hash, in wire.Openings) error {
	_, err := put[none](ctx, t, "v1/exports/"+id.String()+"/openings", in)
	return err
}

// Checkpoint is the log's newest signed note.
func (t *Transport) Checkpoint(ctx context.Context) ([]byte, error) {
	return t.text(ctx, "v1/log/checkpoint")
}

// Tile is one tile of the log, by its C2SP path below "tile/".
func (t *Transport) Tile(ctx context.Context, path string) ([]byte, error) {
	return t.text(ctx, "v1/log/tile/"+path)
}

// Witnessed are the checkpoints that somebody cosigned, with the proofs that they
// extend the log of the size that the caller knows, 0 for none.
func (t *Transport) Witnessed(ctx context.Context, known int64) (*wire.Witnessed, error) {
	return get[wire.Witnessed](ctx, t, "v1/log/witnessed", url.Values{"known": {strconv.FormatInt(known, 10)}})
}

// Leaves are the records of the log from a place on, for recorders.
func (t *Transport) Leaves(ctx context.Context, from int64) (*wire.Leaves, error) {
	return get[wire.Leaves](ctx, t, "v1/log/leaves", url.Values{"from": {strconv.FormatInt(from, 10)}})
}

// Logged proves that an entry of one's own is in the log of a size.
func (t *Transport) Logged(ctx context.Context, channel envelope.ChannelID, position uint64, size int64) (*wire.Logged, error) {
	return get[wire.Logged](ctx, t, channelPath(channel, "/entries/"+strconv.FormatUint(position, 10)+"/logged"),
		url.Values{"size": {strconv.FormatInt(size, 10)}})
}

// Cosign brings a cosignature of a checkpoint.
func (t *Transport) Cosign(ctx context.Context, in wire.Cosignature) error {
	_, err := post[none](ctx, t, "v1/log/cosignatures", in)
	return err
}

// text gets a small body as it is. Tiles have 8 KiB, entry bundles up to 16 MiB.
func (t *Transport) text(ctx context.Context, path string) ([]byte, error) {
	resp, err := t.do(ctx, http.MethodGet, path, nil, http.Header{}, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 17<<20))
	if err != nil {
		return nil, unavailable(ctx, err)
	}
	return b, nil
}

func stateQuery(s wire.State) url.Values {
	if s == "" {
		return nil
	}
	return url.Values{"state": {string(s)}}
}

func planPath(id envelope.Hash, rest string) string {
	return "v1/retention/plans/" + id.String() + rest
}

func schedulePath(id, rest string) string {
	return "v1/exports/schedules/" + url.PathEscape(id) + rest
}
