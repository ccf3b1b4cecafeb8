package envelope

// Kinds of sources that say who holds a chain.
const (
	SourceOIDC = "oidc" // an identity provider, through a client of its own
	SourceX509 = "x509" // who issues smart cards
)

// SourceBody lists an outsider whose word counts as evidence.
type SourceBody struct {
	_       struct{} `cbor:",toarray"`
	Kind    string
	Issuer  string   // URL of the provider; of cards a name for people
	Client  string   // oidc: the public client whose tokens count, and which nobody signs in with
	Anchors [][]byte // x509: root certificates, DER
}

// SourceEndBody ends the listing of a source.
type SourceEndBody struct {
	_      struct{} `cbor:",toarray"`
	Source Hash
}

// SourceID names a source by the body that lists it.
func SourceID(body []byte) Hash { return Sum("evidence-source", body) }

// EvidenceBody says who holds a person's chain, and on whose word. Of the fields
// after Source those of its grade are set, the others are empty.
type EvidenceBody struct {
	_            struct{} `cbor:",toarray"`
	Grade        uint     // 1 an officer's word, 2 an ID token, 3 a smart card
	OrgSeq       uint64   // link of the organisation's chain by which officers and sources are judged
	OrgHead      Hash
	Source       Hash     // SourceID of grades 2 and 3; zero in grade 1
	Subject      string   // 1: whom the officer saw, such as "ldap:corp ann", 1 to 255 bytes
	Token        []byte   // 2: compact JWS whose nonce is EvidenceBinding
	Keys         []byte   // 2: Signed over a KeySnapshot, by a listed officer or recorder
	Certificates [][]byte // 3: DER, the card's own first
	Signature    []byte   // 3: by the card's key over EvidenceBinding
}

// KeySnapshot is what an officer or a recorder found when it asked an identity
// provider for its keys, itself.
type KeySnapshot struct {
	_       struct{} `cbor:",toarray"`
	Version uint
	Org     OrgID
	Source  Hash
	JWKS    []byte // RFC 7517; the keys that sign tokens are enough
	Fetched int64  // µs since 1970, UTC
}

// LabelKeySnapshot is the label of a signed KeySnapshot.
const LabelKeySnapshot = "key-snapshot"

// EvidenceBinding is what evidence must be made for: this chain and no other.
func EvidenceBinding(org OrgID, user UserID) Hash { return Sum("evidence-binding", org, user) }
