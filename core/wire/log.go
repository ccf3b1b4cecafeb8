package wire

import "chancery/crypto/envelope"

// Witnessed is what followers of the log ask for each minute: of each recorder or
// witness the newest checkpoint that it cosigned, the smallest first. Where nobody
// has cosigned, it is the newest checkpoint that was signed.
type Witnessed struct {
	Checkpoints []LogPoint `json:"checkpoints"`
}

// LogPoint is a signed state of the log, as a C2SP signed note, and the proof of
// consistency between it and the state that the caller named, whichever is the
// larger. There is none when the caller named nothing, or more than the log has.
type LogPoint struct {
	Note  string          `json:"note"`
	Proof []envelope.Hash `json:"proof"`
}

// Cosignature is one more signature line for the checkpoint of a size.
type Cosignature struct {
	Size int64  `json:"size" minimum:"1"`
	Line string `json:"line" maxLength:"1024"`
}

// Leaves are records of the log as the log commits to them, in its order.
type Leaves struct {
	Leaves [][]byte `json:"leaves"`
}

// Logged shows that a record is in the log of a size: its place, its leaf and the
// proof of inclusion.
type Logged struct {
	Index int64           `json:"index"`
	Leaf  []byte          `json:"leaf"`
	Proof []envelope.Hash `json:"proof"`
}
