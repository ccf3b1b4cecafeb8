package envelope

import "bytes"

// Capture says whether a channel takes messages that no recorder can open.
type Capture string

const (
	CaptureOff      Capture = "off"
	CaptureRequired Capture = "required"
)

// Access says who may become a member.
type Access string

const (
	AccessPublic  Access = "public"  // anyone of the team may add themselves
	AccessPrivate Access = "private" // owners and moderators add
	AccessDirect  Access = "direct"  // the members of the genesis, for ever
)

// MemberRank is a member's standing in one channel.
type MemberRank string

const (
	RankOwner     MemberRank = "owner"
	RankModerator MemberRank = "moderator"
	RankMember    MemberRank = "member"
)

// History says which epochs a joiner may be given.
type History string

const (
	HistorySinceJoin History = "since_join"
	HistoryFull      History = "full"   // reserved
	HistoryWindow    History = "window" // reserved
)

// ChannelGenesisBody starts a channel. Its first member is the signer, as owner.
type ChannelGenesisBody struct {
	_         struct{} `cbor:",toarray"`
	Access    Access
	Capture   Capture
	Recorders []KeyID // sorted; every one must acknowledge and cover
	History   History
	Lifetime  uint64 // of an epoch, seconds
	OrgSeq    uint64 // the organisation chain's length − 1 that the creator knew
	OrgHead   Hash   // and its head
	UserSeq   uint64 // likewise of the creator's own chain
	UserHead  Hash
	Nonce     []byte // 16 random bytes
}

// AddBody makes a user a member.
type AddBody struct {
	_           struct{} `cbor:",toarray"`
	User        UserID
	UserSeq     uint64 // the user chain's newest link that the signer verified
	UserHead    Hash
	Rank        MemberRank
	HistoryFrom uint64 // first epoch the new member may be given
}

// RemoveBody ends a membership. The server's removal key may sign it too.
type RemoveBody struct {
	_      struct{} `cbor:",toarray"`
	User   UserID
	Reason string // a code, such as left, removed, departed
}

// RoleBody changes a member's rank.
type RoleBody struct {
	_    struct{} `cbor:",toarray"`
	User UserID
	Rank MemberRank
}

// SyncBody tells the channel how far an organisation or user chain has grown.
// It is proof, not authority: anyone may place it.
type SyncBody struct {
	_     struct{} `cbor:",toarray"`
	Chain Hash
	Seq   uint64
	Head  Hash
}

// Cause says why an epoch starts.
type Cause string

const (
	CauseStart    Cause = "start"
	CauseAdd      Cause = "add"
	CauseRemove   Cause = "remove"
	CauseExpiry   Cause = "expiry"
	CauseDemand   Cause = "demand"
	CauseDevice   Cause = "device"   // a member's device was revoked, their key renewed or their chain reset
	CauseBadWrap  Cause = "bad_wrap" // reserved
	CauseRestore  Cause = "restore"
	CauseRecorder Cause = "recorder" // who records has changed
)

// EpochBody starts a period of one channel key.
type EpochBody struct {
	_           struct{} `cbor:",toarray"`
	N           uint64   // 1, 2, 3, …
	Cause       Cause
	MembersRoot Hash // RFC 6962 root over RecipientLeaf of every recipient, in order
	SeedCommit  Hash // commitment to the epoch seed
	WrapsRoot   Hash // RFC 6962 root over WrapLeaf, same order
	PrevCommit  Hash // SeedCommit of epoch N−1; zero for the first
	History     History
	NotAfter    int64 // µs since 1970, UTC
}

// RecipientKind orders an epoch's recipients: members first, then recorders.
type RecipientKind uint8

const (
	RecipientMember   RecipientKind = 1
	RecipientRecorder RecipientKind = 2
)

// Recipient is someone an epoch seed is wrapped to.
type Recipient struct {
	_          struct{} `cbor:",toarray"`
	Kind       RecipientKind
	ID         Hash   // user id or recorder key id
	Generation uint64 // of the user key; 0 for a recorder
	Public     []byte // public key of the suite
}

// RecipientLeaf is the leaf of members_root.
func (r *Recipient) RecipientLeaf() []byte {
	return Frame("recipient-leaf", uint8(r.Kind), r.ID, r.Generation, r.Public)
}

// WrapLeaf is the leaf of wraps_root for a wrap with the given SHA-256.
func (r *Recipient) WrapLeaf(wrap Hash) []byte {
	return Frame("wrap-leaf", uint8(r.Kind), r.ID, r.Generation, r.Public, wrap)
}

// CompareRecipient orders recipients by kind, then id.
func CompareRecipient(a, b Recipient) int {
	if a.Kind != b.Kind {
		return int(a.Kind) - int(b.Kind)
	}
	return bytes.Compare(a.ID[:], b.ID[:])
}

// SeedWrap is the plaintext inside every wrap of an epoch seed. age has no
// associated data, so the context is inside and checked after unwrapping.
type SeedWrap struct {
	_       struct{} `cbor:",toarray"`
	Type    string   // "chancery/v1/epoch-seed"
	Org     OrgID
	Channel ChannelID
	N       uint64
	Seed    []byte // 32 bytes
}

// UserSeedWrap is the plaintext of a user seed's wrap to one of the user's devices.
type UserSeedWrap struct {
	_          struct{} `cbor:",toarray"`
	Type       string   // "chancery/v1/user-seed"
	Org        OrgID
	Device     KeyID
	Generation uint64
	Seed       []byte // 32 bytes
}

// RestoreBody tells clients that the server came back from an older copy, by
// the organisation's root. NewPosition and NewHead are what survived.
type RestoreBody struct {
	_           struct{} `cbor:",toarray"`
	OldPosition uint64   // the newest position known to have been acknowledged
	OldHead     Hash
	NewPosition uint64 // the last position that the restored server has
	NewHead     Hash
	Reason      string
}

// HandoverBody carries a HandoverOrder into its channel. The link's signer is
// the second person, or the organisation's root, for whom all else is empty.
type HandoverBody struct {
	_         struct{} `cbor:",toarray"`
	Order     []byte
	Asked     []byte // Signed Approval of the order by the person who asked for it
	AskedSeq  uint64 // newest link of that person's chain that the signer verified
	AskedHead Hash
	UserSeq   uint64 // likewise of the signer's own
	UserHead  Hash
}

// AskedBy gives what the person who asked for a handover claims, whose signature
// is not looked at.
func (b *HandoverBody) AskedBy() (*Approval, error) {
	s, err := ParseSigned(b.Asked)
	if err != nil {
		return nil, err
	}
	var a Approval
	return &a, Unmarshal(s.Bytes, &a)
}
