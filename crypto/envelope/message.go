package envelope

import (
	"cmp"
	"fmt"
)

// minPayload is com (32), nonce (12), tag (16) and the smallest padded body.
const minPayload = 32 + 12 + 16 + MinPadded

// MinPadded is the smallest padded length of a body, in bytes.
const MinPadded = 128

// MessageKind says what a message does. Numbers 5 and above are reserved.
type MessageKind uint8

const (
	Post     MessageKind = 1
	Edit     MessageKind = 2 // replaces the text of its target
	Delete   MessageKind = 3 // takes its target out of view
	Reaction MessageKind = 4 // reserved
)

// Header is the clear, signed part of a message.
type Header struct {
	_           struct{} `cbor:",toarray"`
	Version     uint
	SaltCommit  Hash // SaltCommit(salt)
	Org         OrgID
	Channel     ChannelID
	Epoch       uint64
	EpochLink   Hash
	User        UserID
	Device      KeyID
	DeviceSeq   uint64   // gapless per device and channel, from 1
	DevicePrev  Hash     // entry hash of the device's last placed message here; zero for the first
	Void        []uint64 // exactly the numbers between that one and DeviceSeq
	Seen        Ref      // the newest entry that the device had verified
	Time        int64    // the device's clock, µs since 1970, UTC
	ID          MessageID
	Kind        MessageKind
	Target      Ref // of an edit or delete; else zero
	Thread      Ref // reserved: the root of the thread; zero
	Attachments []Attachment
	Mentions    []UserID // hints for routing, sorted; empty unless policy allows them
}

// Ref names an entry by position and hash. In Seen, Hash is the head there.
type Ref struct {
	_        struct{} `cbor:",toarray"`
	Position uint64
	Hash     Hash
}

// Attachment binds a sealed file to a message.
type Attachment struct {
	_    struct{} `cbor:",toarray"`
	ID   BlobID
	Size uint64 // of the sealed bytes
	Root Hash   // RFC 6962 root over the sealed chunks
}

// MaxAttachments on one message.
const MaxAttachments = 10

// SaltCommit is the commitment to a message's salt that its header signs.
func SaltCommit(salt []byte) Hash { return Sum("salt", salt) }

// ParseHeader decodes the header of a message entry and checks its shape.
func ParseHeader(e *Entry) (*Header, error) {
	var h Header
	if e.Kind != KindMessage {
		return nil, fmt.Errorf("%w: entry of kind %d is not a message", ErrFormat, e.Kind)
	}
	if err := Unmarshal(e.Header, &h); err != nil {
		return nil, err
	}
	return &h, h.check()
}

func (h *Header) check() error {
	bad := func(what string, args ...any) error {
		return fmt.Errorf("%w: message header: "+what, append([]any{ErrFormat}, args...)...)
	}
	targeted := h.Kind == Edit || h.Kind == Delete
	switch {
	case h.Version != Version:
		return bad("version %d", h.Version)
	case h.Kind < Post || h.Kind > Delete:
		return bad("kind %d is not known", h.Kind)
	case h.DeviceSeq == 0 || h.Epoch == 0:
		return bad("device_seq and epoch start at 1")
	case targeted == (h.Target.Position == 0) || !targeted && h.Target != Ref{}:
		return bad("target on kind %d", h.Kind)
	case h.Thread != Ref{}:
		return bad("thread is reserved")
	case len(h.Attachments) > MaxAttachments || h.repeats():
		return bad("%d attachments, limit %d, each once", len(h.Attachments), MaxAttachments)
	case len(h.Void) > 0 && h.Void[len(h.Void)-1] >= h.DeviceSeq:
		return bad("void reaches device_seq %d", h.DeviceSeq)
	case !sorted(h.Void, cmp.Compare[uint64]):
		return bad("void is not sorted")
	case !sorted(h.Mentions, CompareUser):
		return bad("mentions are not sorted")
	}
	return nil
}

// repeats tells whether a file is attached twice.
func (h *Header) repeats() bool {
	seen := map[BlobID]bool{}
	for _, a := range h.Attachments {
		if seen[a.ID] {
			return true
		}
		seen[a.ID] = true
	}
	return false
}

// Body is the sealed part of a message, before padding.
type Body struct {
	_     struct{} `cbor:",toarray"`
	Text  string
	Files []File // in the order of the header's attachments
}

// File is what opens one attachment.
type File struct {
	_    struct{} `cbor:",toarray"`
	Name string
	Type string // media type
	Size uint64 // of the plain bytes
	Key  []byte // 32 bytes
}
