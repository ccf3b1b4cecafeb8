package envelope

import "fmt"

// Version of every format in this package.
const Version = 1

// LinkType names what a link does to its chain. The wire carries the text.
type LinkType string

const (
	// Organisation chain.
	OrgGenesis   LinkType = "org.genesis"    // OrgGenesisBody
	OrgList      LinkType = "org.list"       // Party: lists one party in one role
	OrgDelist    LinkType = "org.delist"     // DelistBody
	OrgRestore   LinkType = "org.restore"    // LogRestoreBody
	OrgSource    LinkType = "org.source"     // SourceBody
	OrgSourceEnd LinkType = "org.source_end" // SourceEndBody

	// User chain.
	UserGenesis LinkType = "user.genesis"       // UserGenesisBody
	DeviceAdd   LinkType = "user.device_add"    // DeviceBody; the new device signs too
	DeviceEnd   LinkType = "user.device_revoke" // DeviceEndBody
	UserKey     LinkType = "user.key"           // KeyBody
	Recovery    LinkType = "user.recovery"      // RecoveryBody; the recovery key signs too
	Recover     LinkType = "user.recover"       // RecoverBody; signed by the recovery key
	UserReset   LinkType = "user.reset"         // ResetBody; signed by an officer
	Evidence    LinkType = "user.evidence"      // EvidenceBody

	// Channel chain.
	ChannelGenesis LinkType = "channel.genesis"  // ChannelGenesisBody
	MemberAdd      LinkType = "channel.add"      // AddBody
	MemberRemove   LinkType = "channel.remove"   // RemoveBody
	MemberRole     LinkType = "channel.role"     // RoleBody
	Sync           LinkType = "channel.sync"     // SyncBody
	EpochStart     LinkType = "channel.epoch"    // EpochBody
	Restore        LinkType = "channel.restore"  // RestoreBody; signed by the organisation's root
	Handover       LinkType = "channel.handover" // HandoverBody
	ChannelPolicy  LinkType = "channel.policy"   // reserved
)

// Link is the header of a chain entry.
type Link struct {
	_       struct{} `cbor:",toarray"`
	Version uint
	Org     OrgID // zero in the organisation's own genesis
	Chain   Hash  // zero in a genesis
	Seq     uint64
	Prev    Hash // hash of the link before; zero in a genesis
	Type    LinkType
	Body    []byte
	User    UserID // who signs; zero for a root, a recorder or a server key
	Key     KeyID  // the signing key: a device or a listed key
	Time    int64  // the signer's clock, µs since 1970, UTC
}

// ParseLink decodes the header of a link entry.
func ParseLink(e *Entry) (*Link, error) {
	var l Link
	if e.Kind != KindLink {
		return nil, fmt.Errorf("%w: entry of kind %d is not a link", ErrFormat, e.Kind)
	}
	if err := Unmarshal(e.Header, &l); err != nil {
		return nil, err
	}
	if l.Version != Version {
		return nil, fmt.Errorf("%w: link version %d", ErrFormat, l.Version)
	}
	if genesis := l.Seq == 0; genesis != l.Chain.IsZero() || genesis != l.Prev.IsZero() {
		return nil, fmt.Errorf("%w: genesis fields at link %d", ErrFormat, l.Seq)
	}
	return &l, nil
}

// ParseBody decodes a link's body as T.
func ParseBody[T any](l *Link) (*T, error) {
	var body T
	if err := Unmarshal(l.Body, &body); err != nil {
		return nil, fmt.Errorf("%s body: %w", l.Type, err)
	}
	return &body, nil
}

// ChainOf is the id of the chain that a genesis header starts.
func ChainOf(genesisHeader []byte) Hash { return Sum("chain", genesisHeader) }

// OrgGenesisBody starts an organisation. Threshold of Roots must sign every
// later link of its chain.
type OrgGenesisBody struct {
	_         struct{} `cbor:",toarray"`
	Name      string
	Suite     Suite
	Roots     [][]byte // Ed25519 public keys, sorted by key id
	Threshold uint
	Capture   Capture // the least capture that a channel may have
	Nonce     []byte  // 16 random bytes
}

// Role is what a listed party may do.
type Role string

const (
	RoleRecorder   Role = "recorder"   // acknowledges, opens and covers
	RoleAuditor    Role = "auditor"    // receives openings of its scope
	RoleCustodian  Role = "custodian"  // holds key slips offline
	RoleSigner     Role = "signer"     // signs archives, checkpoints and certificates
	RoleReceipt    Role = "receipt"    // the server's key for receipts and refusals
	RoleRemoval    Role = "removal"    // the server's key for removals, and nothing else
	RoleCompliance Role = "compliance" // a person who may request holds, disposals and exports
	RoleLegal      Role = "legal"      // a person who may approve them
	RoleOfficer    Role = "officer"    // lets somebody who lost every device start again
	RoleWitness    Role = "witness"    // a stranger who cosigns the log's checkpoints
)

// Party is one listed key or person.
type Party struct {
	_         struct{} `cbor:",toarray"`
	Role      Role
	Name      string      // plain text for people
	Key       []byte      // Ed25519 public key, P-384 of a signer in suite fips, or empty
	Recipient []byte      // public key of the suite that secrets are sealed to, or empty
	User      UserID      // the person's user chain, for people
	Scope     []ChannelID // sorted; empty means every channel
	NotAfter  int64       // µs since 1970, UTC; 0 is never
}

// ID names the party: by its signing key, else its user, else its recipient.
func (p *Party) ID() KeyID {
	switch {
	case len(p.Key) > 0:
		return KeyOf(p.Key)
	case !p.User.IsZero():
		return KeyID(Sum("party", p.User))
	}
	return KeyID(Sum("recipient", p.Recipient))
}

// Covers tells whether a channel lies in the party's scope.
func (p *Party) Covers(c ChannelID) bool {
	for _, s := range p.Scope {
		if s == c {
			return true
		}
	}
	return len(p.Scope) == 0
}

// DelistBody ends one party's listing in one role.
type DelistBody struct {
	_     struct{} `cbor:",toarray"`
	Role  Role
	Party KeyID
}

// LogRestoreBody says that the log came back from an older copy: records from
// NewSize to OldSize are lost, and what follows NewSize is another history. Sizes
// are numbers of records, roots those of the trees over them.
type LogRestoreBody struct {
	_       struct{} `cbor:",toarray"`
	OldSize uint64   // the largest log that was ever signed
	OldRoot Hash
	NewSize uint64 // what survived
	NewRoot Hash
	Reason  string
}
