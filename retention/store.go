package retention

import (
	"context"
	"errors"
	"iter"
	"time"

	"chancery/compliance"
	"chancery/core"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

var (
	// ErrLocked is what a store returns for a revision that shortens a locked rule.
	ErrLocked = errors.New("rule is locked")
	// ErrChanged is what a store returns when rules or holds are no longer those
	// that a plan was made with.
	ErrChanged = errors.New("rules or holds have changed since the plan was made")
	// ErrLeaving is what a store returns for a plan whose messages are being
	// exported.
	ErrLeaving = errors.New("messages of the plan are being exported")
)

// Rule is one revision of a retention rule.
type Rule struct {
	Order    envelope.RuleOrder
	Bytes    []byte
	Hash     envelope.Hash
	Consents []compliance.Consent
}

// Plan is one disposal and how far it is.
type Plan struct {
	ID              envelope.Hash
	Order           envelope.DisposalPlan
	Bytes           []byte
	RulesGeneration uint64
	State           wire.State
	Requester       identity.UserID
	Consents        []compliance.Consent
	Confirmations   []Confirmation
	Disposed        uint64 // messages so far
	Certificate     []byte
	Why             string // of a stop
	Finished        time.Time
}

// Confirmation is a recorder's word that a plan has gone there too.
type Confirmation struct {
	Recorder  envelope.KeyID
	Statement []byte // envelope.Signed over envelope.Confirmation
	At        int64
}

// Batch is messages of a plan that are still there.
type Batch struct {
	Leaves   map[envelope.ChannelID][]uint64
	Messages int
}

// Store keeps rules and plans. What changes something takes the Grant that
// allows it, checks by itself that the thing is still in the state that the
// change starts from (compliance.ErrMoved), and writes the Event in the same
// transaction.
type Store interface {
	Record(ctx context.Context, e core.Event) error

	Rules(ctx context.Context) ([]Rule, error)
	// SetRule adds a revision and raises the rules generation. It may fail with
	// ErrLocked.
	SetRule(ctx context.Context, g policy.Grant, e core.Event, r *Rule, now time.Time) error

	// OrgLinks and UserLinks are whole chains, Recording the links that say who
	// records channels: an envelope.Entry each.
	OrgLinks(ctx context.Context) ([][]byte, error)
	UserLinks(ctx context.Context, u envelope.UserID) ([][]byte, error)
	Recording(ctx context.Context, channels []envelope.ChannelID) ([][]byte, error)

	// LookAtClock keeps the next Watch.
	LookAtClock(ctx context.Context, now time.Time) error

	// Survey shows law, clock and the channels with what can be due, all of one
	// moment. A channel's messages are those up to the cutoff and later revisions.
	Survey(ctx context.Context, look func(*Law, Clock, iter.Seq2[*Channel, error]) error) error
	// ChannelRank is an account's standing in a channel, none for a stranger or when
	// there is no such channel.
	ChannelRank(ctx context.Context, channel envelope.ChannelID, account identity.UserID) (string, error)

	// Look shows one message with all that shares its fate. The channel is nil
	// when there is no such message.
	Look(ctx context.Context, channel envelope.ChannelID, position uint64, look func(*Law, Clock, *Channel) error) error

	// CreatePlan keeps a plan; the same plan again changes nothing.
	CreatePlan(ctx context.Context, g policy.Grant, e core.Event, p *Plan, now time.Time) error
	Plan(ctx context.Context, id envelope.Hash) (Plan, bool, error)
	// Plans are those in a state, or all, newest first.
	Plans(ctx context.Context, state wire.State) ([]Plan, error)
	// Consent adds an approval; approve moves the plan from planned to approved.
	Consent(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, c compliance.Consent, approve bool) error
	// HoldsOn counts the holds in force on anything in a plan.
	HoldsOn(ctx context.Context, p *Plan) (int64, error)
	// StartPlan may fail with ErrChanged or ErrLeaving.
	StartPlan(ctx context.Context, g policy.Grant, e core.Event, p *Plan, now time.Time) error
	NextBatch(ctx context.Context, p *Plan, limit int) (Batch, error)
	// Dispose calls puncture and drops the batch's payloads while no hold and no
	// rule can change. It may fail with ErrChanged, and then calls nothing.
	Dispose(ctx context.Context, g policy.Grant, e core.Event, p *Plan, b Batch, puncture func() error) error
	// Files are the sealed files of a plan's messages.
	Files(ctx context.Context, p *Plan) ([]envelope.BlobID, error)
	FinishPlan(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, now time.Time) error
	StopPlan(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, why string) error
	// Recorders must all confirm a plan: those of its channels.
	Recorders(ctx context.Context, p *Plan) ([]envelope.KeyID, error)
	Confirm(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, c Confirmation) error
	Certify(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, certificate []byte, now time.Time) error
}
