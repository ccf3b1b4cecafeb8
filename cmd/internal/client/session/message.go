package session

import (
	"context"
	"encoding/hex"
	"time"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// Message is one message as a reader sees it. States: open, edited, deleted,
// disposed, unreadable, withheld; Why tells the reason of the last two.
type Message struct {
	Channel  envelope.ChannelID `json:"channel"`
	Position uint64             `json:"position"`
	Entry    envelope.Hash      `json:"entry"`
	Kind     string             `json:"kind"` // post, edit, delete
	Target   uint64             `json:"target,omitempty"`
	User     envelope.UserID    `json:"user"`
	Username string             `json:"username,omitempty"` // as the directory says, not verified
	Device   envelope.KeyID     `json:"device"`
	Received time.Time          `json:"received"`
	Text     string             `json:"text"`
	Files    []File             `json:"files,omitempty"`
	State    string             `json:"state"`
	Why      string             `json:"why,omitempty"`
	Captured bool               `json:"captured"`

	target   envelope.Hash
	mayClear bool // its author was an owner or moderator then
}

// File is one attachment of a message.
type File struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
	Size uint64 `json:"size"`

	sealed envelope.Attachment
	key    seal.DataKey
}

const stateWithheld = "withheld" // for as long as capture is in doubt

var kinds = map[envelope.MessageKind]string{envelope.Post: "post", envelope.Edit: "edit", envelope.Delete: "delete"}

// open reads a message that the chain has taken. What can't be read is told in
// its State, never an error: it changes what is shown and nothing else.
func (c *Channel) open(ctx context.Context, p *envelope.Placed) (m Message, secret []byte) {
	m = Message{Channel: c.id, Position: p.Position, Entry: p.Hash(), Received: time.UnixMicro(p.Received).UTC(), State: "open"}
	h, err := envelope.ParseHeader(&envelope.Entry{Kind: p.Entry.Kind, Header: p.Entry.Header})
	if err != nil {
		m.State, m.Why = "unreadable", err.Error()
		return m, nil
	}
	m.Kind, m.User, m.Device = kinds[h.Kind], h.User, h.Device
	m.Target, m.target = h.Target.Position, h.Target.Hash
	member, _ := c.chain.Member(h.User)
	m.mayClear = member.Rank == envelope.RankOwner || member.Rank == envelope.RankModerator
	if me, ok := c.chain.Member(c.s.Me.Chain); ok && h.Epoch < me.HistoryFrom {
		m.State, m.Why = "unreadable", "it is from before you joined"
		return m, nil
	}
	if p.Disposed() {
		m.State = "disposed"
		return m, nil
	}
	key, err := c.key(ctx, h.Epoch)
	if err != nil {
		m.State, m.Why = "unreadable", err.Error()
		return m, nil
	}
	opened, err := seal.Open(key, &p.Entry, p.Salt)
	if err != nil {
		m.State, m.Why = "unreadable", err.Error()
		return m, nil
	}
	m.Text, m.Files = opened.Body.Text, files(opened)
	return m, opened.Secret[:]
}

func files(o *seal.Opened) []File {
	out := make([]File, len(o.Body.Files))
	for i, f := range o.Body.Files {
		a := o.Header.Attachments[i]
		out[i] = File{ID: hex.EncodeToString(a.ID[:]), Name: f.Name, Type: f.Type, Size: f.Size, sealed: a, key: seal.DataKey(f.Key)}
	}
	return out
}

// Fold applies edits and deletes to the posts they name: by the same person, or
// for deletes by someone who was an owner or moderator. The latest wins. Edits
// of what is not in the list stay out.
func Fold(all []Message) []Message {
	var posts []Message
	at := map[uint64]int{}
	for _, m := range all {
		if m.Kind == "post" || m.Kind == "" {
			at[m.Position] = len(posts)
			posts = append(posts, m)
			continue
		}
		i, ok := at[m.Target]
		if !ok || posts[i].Entry != m.target {
			continue
		}
		switch t := &posts[i]; {
		case m.Kind == "edit" && m.User == t.User && t.State != "deleted" && (m.State == "open"):
			t.Text, t.State = m.Text, "edited"
		case m.Kind == "delete" && (m.User == t.User || m.mayClear):
			t.Text, t.Files, t.State = "", nil, "deleted"
		}
	}
	return posts
}

// publish hands a new message to those who follow. One that does not keep up
// is closed; it can read on from its last position.
func (c *Channel) publish(m *Message) {
	for w := range c.watch {
		select {
		case w <- m:
		default:
			delete(c.watch, w)
			close(w)
		}
	}
}

// unveil has those who follow look again at what was withheld from them.
func (c *Channel) unveil() { c.publish(nil) }

// present fills in what depends on the moment of looking.
func (c *Channel) present(m Message) Message {
	if c.ended(m.User, m.Device) {
		m.Text, m.Files, m.State, m.Why = "", nil, "withheld", "its device was revoked, and the channel was not told yet"
		return m
	}
	m.Captured = c.recorded() && m.Position <= c.chain.Captured()
	if why := c.veiled(&m); why != "" {
		m.Text, m.Files, m.State, m.Why = "", nil, stateWithheld, why
	}
	return m
}
