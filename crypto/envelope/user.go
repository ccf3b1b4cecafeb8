package envelope

// DeviceBody is a device's public keys. The device is named by KeyOf(Key).
type DeviceBody struct {
	_         struct{} `cbor:",toarray"`
	Name      string
	Key       []byte // Ed25519 public key
	Recipient []byte // public key of the suite that the user seed is wrapped to
	Wrap      Hash   // of the user seed's wrap to this device
}

// UserGenesisBody starts a person's chain with a first device and key
// generation 1.
type UserGenesisBody struct {
	_         struct{} `cbor:",toarray"`
	Suite     Suite
	Device    DeviceBody
	Recipient []byte // public key of generation 1 that epochs are wrapped to
	Nonce     []byte // 16 random bytes
	Replaces  []Replaced
}

// Replaced is the chain that a person who lost every device leaves behind. The
// officer signs the new genesis beside its device. A genesis has none or one.
type Replaced struct {
	_       struct{} `cbor:",toarray"`
	User    UserID
	Seq     uint64 // newest link of the old chain
	Head    Hash
	OrgSeq  uint64 // link of the organisation's chain at which the officer is listed
	OrgHead Hash
	Officer KeyID
}

// KeyBody starts the next generation of a person's key.
type KeyBody struct {
	_          struct{} `cbor:",toarray"`
	Generation uint64
	Recipient  []byte // public key of the suite that epochs are wrapped to
	Wraps      []Hash // of the seed's wraps to all devices and the recovery key after this link, by key id
	Previous   []byte // seed of the generation before, sealed under this one's sealing key
}

// DeviceEndBody revokes a device. The new key is one that it never learns.
type DeviceEndBody struct {
	_      struct{} `cbor:",toarray"`
	Device KeyID
	Key    KeyBody
}

// RecoveryKey is the public half of a printed key that may add a device or
// revoke devices, once, and nothing else. It is named by KeyOf(Key).
type RecoveryKey struct {
	_         struct{} `cbor:",toarray"`
	Key       []byte   // Ed25519 public key
	Recipient []byte   // public key of the suite that the user seed is wrapped to
}

// RecoveryBody names the recovery key that stands from here on, or none. The
// one before ends, and with it the generation that it could open.
type RecoveryBody struct {
	_     struct{}      `cbor:",toarray"`
	Stand []RecoveryKey // none or one
	Key   KeyBody
}

// RecoverBody is what a recovery key may say. It ends with this link.
type RecoverBody struct {
	_   struct{}     `cbor:",toarray"`
	Add []DeviceBody // none or one; it signs too
	End []KeyID      // devices revoked, sorted
	Key KeyBody
}

// ResetBody ends a person's chain in favour of another.
type ResetBody struct {
	_         struct{} `cbor:",toarray"`
	Successor UserID
	OrgSeq    uint64 // link of the organisation's chain at which the officer is listed
	OrgHead   Hash
}
