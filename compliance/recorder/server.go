package recorder

import (
	"context"

	"chancery/crypto/envelope"
	"chancery/crypto/piece"
)

// Server is what a recorder asks of the server. Nothing that it answers is
// believed before it is checked.
type Server interface {
	// OrgChain gives the organisation's chain from its genesis on.
	OrgChain(context.Context) ([]*envelope.Entry, error)
	// UserChain gives a person's chain from its genesis on.
	UserChain(context.Context, envelope.UserID) ([]*envelope.Entry, error)
	// Channels are those that the server lets this recorder read.
	Channels(context.Context) ([]Listed, error)
	// Entries gives a page of entries after a position.
	Entries(ctx context.Context, channel envelope.ChannelID, after uint64) (Page, error)
	// Wrap gives the recorder's wrap of epoch n and the hashes of all wraps.
	Wrap(ctx context.Context, channel envelope.ChannelID, n uint64) (wrap []byte, hashes []envelope.Hash, err error)
	// Post places an acknowledgement or coverage. The same entry may be posted
	// again; errors.Is(err, ErrRefused) tells that it never will be placed.
	Post(ctx context.Context, channel envelope.ChannelID, e *envelope.Entry) error
	// Notices are the signed words beside a channel after a number.
	Notices(ctx context.Context, channel envelope.ChannelID, after uint64) ([]Notice, error)
	// Tell delivers the recorder's own.
	Tell(ctx context.Context, channel envelope.ChannelID, statement []byte) error
	// Piece gives a piece of an attachment, of the right length.
	Piece(ctx context.Context, channel envelope.ChannelID, blob envelope.BlobID, f piece.File, s piece.Span) ([]byte, error)

	// Checkpoint is the log's newest signed note, nil before the first.
	Checkpoint(context.Context) ([]byte, error)
	// Leaves are records of the log from a place on, as many as fit in an answer.
	Leaves(ctx context.Context, from int64) ([][]byte, error)
	// Cosign brings the line that this recorder adds to the checkpoint of a size.
	Cosign(ctx context.Context, size int64, line string) error

	// Holds, Rules, Plans and Exports are the orders that the server knows:
	// every hold and rule, and the plans and exports that wait for recorders.
	Holds(context.Context) ([]Hold, error)
	Rules(context.Context) ([]Order, error)
	Plans(context.Context) ([]Order, error)
	Exports(context.Context) ([]Export, error)
	// Confirm delivers a signed Confirmation of a plan.
	Confirm(ctx context.Context, plan envelope.Hash, statement []byte) error
	// Deliver adds the openings to an export.
	Deliver(ctx context.Context, export envelope.Hash, o *Openings) error
}

// Listed is a channel and how far the server says it has come.
type Listed struct {
	Channel  envelope.ChannelID
	Position uint64
}

// Page is part of a channel, in rising order, with where the channel stands.
type Page struct {
	Entries  []*envelope.Placed
	Position uint64
	Head     envelope.Hash
}

// Notice is one signed word beside a channel, an encoded envelope.Signed.
type Notice struct {
	Number    uint64 // rising in the order of arrival
	Statement []byte
}

// Order is an order's canonical bytes and the approvals on it, each an encoded
// envelope.Signed.
type Order struct {
	_         struct{} `cbor:",toarray"`
	Bytes     []byte
	Approvals [][]byte
}

// Hold is a hold order and, once someone asked for its end, the release order.
type Hold struct {
	Order   Order
	Release Order
	Active  bool // the server's word: it keeps what the order names
}

// Export is one run of an approved schedule.
type Export struct {
	ID     envelope.Hash
	Order  Order
	Ranges []Range // what to add openings for, one of each channel
}

// Range is a part of a channel.
type Range struct {
	_        struct{} `cbor:",toarray"`
	Channel  envelope.ChannelID
	From, To uint64 // positions
}

// Openings are what a recorder adds to an export: the sealed openings file, the
// key slip that stays outside the bag, and the commitment to the data key.
type Openings struct {
	_          struct{} `cbor:",toarray"`
	Sealed     []byte
	Slip       []byte
	KeyCommit  envelope.Hash
	Count      uint64 // of openings
	Exceptions uint64 // of messages that do not open
}
