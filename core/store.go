package core

import (
	"context"
	"time"

	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

// Store is what the operations need kept. Every method that changes something
// takes the Grant that allows it and the Event that tells it; both take effect
// in one transaction or not at all. Lookups answer false for what is absent.
type Store interface {
	Record(ctx context.Context, e Event) error

	// People and sessions.
	AccountBySubject(ctx context.Context, x identity.ExternalID) (Account, bool, error)
	Account(ctx context.Context, id identity.UserID) (Account, bool, error)
	AccountByName(ctx context.Context, username string) (Account, bool, error)
	AccountByChain(ctx context.Context, u envelope.UserID) (Account, bool, error)
	Accounts(ctx context.Context, match string, limit int) ([]Account, error)
	SignIn(ctx context.Context, g policy.Grant, e Event, s SignIn) (Account, identity.SessionID, error)
	SignInService(ctx context.Context, g policy.Grant, e Event, s ServiceSignIn) (identity.SessionID, error)
	Session(ctx context.Context, token identity.TokenHash) (Session, bool, error)
	TouchSession(ctx context.Context, id identity.SessionID, now time.Time) error
	BindSession(ctx context.Context, g policy.Grant, e Event, id identity.SessionID, device envelope.KeyID) error
	EndSession(ctx context.Context, g policy.Grant, e Event, id identity.SessionID) error
	// TakeGuess counts a guess as failed before it is made, and answers false when
	// the name is locked. Of guesses made at once, on any server, each sees those
	// before it. It gives the state before, for ReturnGuess.
	TakeGuess(ctx context.Context, name string, rule identity.LockoutRule, at time.Time) (before identity.Lockout, ok bool, err error)
	// ReturnGuess takes back a guess that did not fail.
	ReturnGuess(ctx context.Context, name string, before identity.Lockout, at time.Time) error
	AddNonce(ctx context.Context, nonce []byte, expires time.Time) error
	TakeNonce(ctx context.Context, nonce []byte, now time.Time) (bool, error)

	// People who leave.
	DisableAccount(ctx context.Context, g policy.Grant, e Event, id identity.UserID, by string, now time.Time) ([]identity.SessionID, error)
	EnableAccount(ctx context.Context, g policy.Grant, e Event, id identity.UserID) error
	SessionStands(ctx context.Context, id identity.SessionID) (bool, error)
	Departures(ctx context.Context) ([]Departure, error)
	Acquainted(ctx context.Context, connector, username string) ([]Acquaintance, error)
	SignedIn(ctx context.Context, connector string, active, created time.Time) ([]Acquaintance, error)
	Disabled(ctx context.Context, by string, since time.Time) (disabled, accounts int, err error)

	// Organisation and user chains, devices.
	OrgLinks(ctx context.Context) ([][]byte, error)
	AddOrgLink(ctx context.Context, g policy.Grant, e Event, l ChainLink) error
	UserLinks(ctx context.Context, u envelope.UserID) ([][]byte, error)
	StartUser(ctx context.Context, g policy.Grant, e Event, account identity.UserID, l ChainLink, d Device) error
	// ExtendUser tells which sessions ended with their devices.
	ExtendUser(ctx context.Context, g policy.Grant, e Event, s UserStep) ([]identity.SessionID, error)
	// RecoveryWrap is the newest user seed, sealed to an account's recovery key.
	RecoveryWrap(ctx context.Context, account identity.UserID) (key envelope.KeyID, wrap []byte, found bool, err error)
	Devices(ctx context.Context, account identity.UserID) ([]Device, error)
	Device(ctx context.Context, key envelope.KeyID) (Device, bool, error)

	// Devices that ask to be taken in. Each step is taken once, from the state
	// before it and in time, or is a Conflict.
	AskForDevice(ctx context.Context, g policy.Grant, e Event, p Proposal, rule ProposalRule) error
	Waiting(ctx context.Context, account identity.UserID, now time.Time) ([]Proposal, error)
	Proposal(ctx context.Context, id envelope.Hash) (Proposal, bool, error)
	AnswerProposal(ctx context.Context, g policy.Grant, e Event, id envelope.Hash, a wire.DeviceAnswer, now time.Time) error
	RevealProposal(ctx context.Context, g policy.Grant, e Event, id envelope.Hash, nonce []byte, now time.Time) error
	LinkProposal(ctx context.Context, g policy.Grant, e Event, id envelope.Hash, l wire.NewLink, now time.Time) error
	RefuseProposal(ctx context.Context, g policy.Grant, e Event, id envelope.Hash, why string) error

	// Teams.
	CreateTeam(ctx context.Context, g policy.Grant, e Event, t wire.NewTeam, owner identity.UserID, now time.Time) (wire.Team, error)
	Team(ctx context.Context, id int64, account identity.UserID) (wire.Team, bool, error)
	Teams(ctx context.Context, account identity.UserID) ([]wire.Team, error)
	AddTeamMember(ctx context.Context, g policy.Grant, e Event, team int64, account identity.UserID) error

	// Channels and their entries.
	CreateChannel(ctx context.Context, g policy.Grant, c NewChannel, first *Draft) (int64, error)
	Channel(ctx context.Context, id envelope.ChannelID) (ChannelRow, bool, error)
	Channels(ctx context.Context, account identity.UserID) ([]ChannelRow, error)
	RecorderChannels(ctx context.Context, recorder envelope.KeyID) ([]ChannelRow, error)
	Rank(ctx context.Context, channel int64, account identity.UserID) (string, error)
	State(ctx context.Context, channel int64) (ChannelState, error)
	Append(ctx context.Context, drafts []*Draft) error
	Entries(ctx context.Context, channel int64, span Span) (page []Kept, more bool, err error)
	Entry(ctx context.Context, channel int64, position uint64) (Kept, bool, error)
	EntryByCounter(ctx context.Context, channel int64, device envelope.KeyID, seq uint64) (Kept, bool, error)
	EntryByHash(ctx context.Context, channel int64, h envelope.Hash) (Kept, bool, error)
	Refusal(ctx context.Context, channel int64, device envelope.KeyID, seq uint64) (entry envelope.Hash, statement []byte, found bool, err error)
	// AddRefusal uses up a device's number for good. ErrTaken tells that the
	// number was used up already, or that the channel has gone on after position.
	AddRefusal(ctx context.Context, e Event, channel int64, position uint64, r envelope.Refusal, statement []byte) error
	EpochWrap(ctx context.Context, channel int64, n uint64, recipient envelope.Hash) (wrap []byte, hashes []envelope.Hash, found bool, err error)

	// Signed words beside a channel. A notice that its signer has given before
	// changes nothing.
	AddNotice(ctx context.Context, g policy.Grant, e Event, n Notice) error
	Notices(ctx context.Context, channel int64, after uint64, tails bool, limit int) ([]Notice, error)
	Evidence(ctx context.Context, channel int64, notice envelope.Hash) (sealed []byte, found bool, err error)

	// Sealed files: bound to a message, and on their way to that.
	Blob(ctx context.Context, id envelope.BlobID) (Blob, bool, error)
	Upload(ctx context.Context, id envelope.BlobID) (Upload, bool, error)
	// AddUpload returns ErrStaged when it would be more than a person may have.
	AddUpload(ctx context.Context, g policy.Grant, e Event, u Upload, most Staging) error
	// TouchUpload tells that its sender is at it, and whether it is whole. It is
	// false for one that was dropped.
	TouchUpload(ctx context.Context, g policy.Grant, id envelope.BlobID, whole bool, now time.Time) (bool, error)
	// Unclaimed are uploads that nobody has touched since, and dropped ones.
	Unclaimed(ctx context.Context, since time.Time) ([]envelope.BlobID, error)
	// DropUpload closes one to its sender; false: it was touched meanwhile.
	DropUpload(ctx context.Context, g policy.Grant, id envelope.BlobID, since, now time.Time) (bool, error)
	// ForgetUpload removes one that was dropped, once its bytes are gone.
	ForgetUpload(ctx context.Context, g policy.Grant, e Event, id envelope.BlobID) error
}

// Account is someone who may sign in.
type Account struct {
	ID        identity.UserID
	Username  string
	Name      string
	Roles     []string
	Groups    []string
	Chain     envelope.UserID // zero before a first device
	Disabled  bool
	LastLogin time.Time
}

// Departure is a membership that has outlived its account: the account is
// disabled, the channel still counts them.
type Departure struct {
	Account Account
	Since   time.Time
	Channel ChannelRow // with their rank
}

// Acquaintance is who an account is in a directory.
type Acquaintance struct {
	Account  identity.UserID
	External identity.ExternalID
}

// Session is a session with whom it belongs to.
type Session struct {
	identity.Session
	Account Account
	Role    envelope.Role  // of a service; empty for a person
	Key     envelope.KeyID // of a service
}

// SignIn is a directory's verdict becoming a session.
type SignIn struct {
	Claims  identity.Claims
	Account identity.UserID // 0 creates one
	Roles   []string
	Token   identity.TokenHash
	Now     time.Time
}

// ServiceSignIn is a listed key becoming a session.
type ServiceSignIn struct {
	Role  envelope.Role
	Key   envelope.KeyID
	Token identity.TokenHash
	Now   time.Time
}

// ChainLink is one link of an organisation's or a user's chain.
type ChainLink struct {
	Chain envelope.Hash
	Seq   uint64
	Entry []byte
}

// Device is a device of an account's chain.
type Device struct {
	Account identity.UserID
	Body    envelope.DeviceBody
	Wrap    []byte
	Created time.Time
}

// Proposal is a device that asks for approval by another of its account.
type Proposal struct {
	Account identity.UserID
	Created time.Time
	wire.Proposal
}

// NewChannel is a channel about to start.
type NewChannel struct {
	ID      envelope.ChannelID
	Team    int64
	Name    string
	Genesis envelope.ChannelGenesisBody
	Creator identity.UserID
	Now     time.Time
}

// ChannelRow is a channel without its state.
type ChannelRow struct {
	Number    int64
	ID        envelope.ChannelID
	Team      int64
	Name      string
	Access    envelope.Access
	Capture   envelope.Capture
	Recorders []envelope.KeyID // that record it or did, but for the lost
	Archived  bool
	Rank      string // of the account that asked; none for others
	Position  uint64 // of the newest entry
	Head      envelope.Hash
}

// Kept is an entry as it is stored: the salt is sealed under the vault.
type Kept struct {
	envelope.Placed
	SealedSalt []byte
}

// Duty is one recorder's part of a channel.
type Duty = chain.Duty

// Captured is how far the duties of a channel are done.
func Captured(duties []Duty, covered map[envelope.KeyID]uint64) uint64 {
	return chain.Captured(duties, covered)
}

// HeadsKept is how many heads a channel's validator must remember.
const HeadsKept = chain.SeenWindow

// ChannelState is what a channel's validator is rebuilt from.
type ChannelState struct {
	Links    []Kept // links and acknowledgements
	Position uint64
	Heads    []envelope.Hash // of the newest HeadsKept positions, the newest last
	Received int64
	Messages uint64
	Counters map[envelope.KeyID]DeviceCounter
	Covered  map[envelope.KeyID]uint64 // by each recorder
	Refusals []envelope.Refusal        // Device and DeviceSeq only, of numbers after the device's counter
}

// Refused are the device numbers that will never be placed.
func (c ChannelState) Refused() map[counterKey]struct{} {
	out := make(map[counterKey]struct{}, len(c.Refusals))
	for _, r := range c.Refusals {
		out[counterKey{r.Device, r.DeviceSeq}] = struct{}{}
	}
	return out
}

// DeviceCounter is a device's last placed message in a channel.
type DeviceCounter struct {
	Seq  uint64
	Hash envelope.Hash
}

// Draft is an entry on its way into the store, with all that its placing
// changes.
type Draft struct {
	Channel    int64
	Placed     envelope.Placed
	SealedSalt []byte
	Grant      policy.Grant
	Action     policy.Action
	Resource   policy.Resource
	Event      Event

	Messages uint64                  // in the channel once it stands
	Message  *envelope.Header        // of a message
	Cover    *envelope.Coverage      // of a coverage
	Epoch    *EpochRows              // of an epoch link
	Member   *MemberChange           // of a link that changes who is a member
	Handover *envelope.HandoverOrder // of a link that changes who records
}

// EpochRows are the wraps that go with an epoch link.
type EpochRows struct {
	N          uint64
	Recipients []envelope.Hash
	Wraps      [][]byte
	Hashes     []envelope.Hash
}

// MemberChange is the projection of a membership link. Rank "" ends it.
type MemberChange struct {
	User envelope.UserID
	Rank envelope.MemberRank
	Join bool
}

// Notice is one signed word beside a channel.
type Notice struct {
	Number    uint64 // rising in the order of arrival
	Channel   int64
	Label     string
	Signer    envelope.KeyID
	About     string // what it speaks of
	Statement []byte
	Evidence  []byte // sealed; beside a dispute
}

// Blob is a sealed file that a message binds.
type Blob struct {
	ID       envelope.BlobID
	Channel  int64
	Size     uint64
	Root     envelope.Hash
	Disposed bool
}

// Upload is a sealed file that grows, or waits for its message.
type Upload struct {
	ID      envelope.BlobID
	Channel int64
	Account identity.UserID
	Size    uint64
	Root    envelope.Hash
	Touched time.Time
	Whole   bool
	Dropped bool
}

// Staging bounds the uploads that nobody has claimed yet.
type Staging struct {
	Bytes uint64        // sealed, of one person
	Files int           // of one person
	Keep  time.Duration // after they were last touched
}
