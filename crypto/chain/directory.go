package chain

import "chancery/crypto/envelope"

// Directory is what a channel's rules look up in other chains. An
// implementation holds verified chains only.
type Directory interface {
	Org() *Org
	// User finds a verified user chain.
	User(envelope.UserID) (*User, bool)
}

// SeenWindow is the memory of heads, in entries: how far back Seen may point.
// Every validator that has followed so far, or was told by Remember, judges alike.
const SeenWindow = 4096
