package convert

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"chancery/compliance/archive"
	"chancery/crypto/envelope"
)

// Line is one message. Times are RFC 3339 in UTC.
type Line struct {
	Archive     envelope.Hash          `json:"archive"`
	Index       int64                  `json:"index"` // place in the log
	Entry       envelope.Hash          `json:"entry"`
	Channel     envelope.ChannelID     `json:"channel"`
	ChannelName string                 `json:"channel_name"`
	Position    uint64                 `json:"position"`
	Received    time.Time              `json:"received"`
	Sent        time.Time              `json:"sent"` // by the sender's clock
	Sender      envelope.UserID        `json:"sender"`
	SenderName  string                 `json:"sender_name"`
	Username    string                 `json:"sender_username"`
	Device      envelope.KeyID         `json:"device"`
	Kind        string                 `json:"kind"`             // post, edit or delete
	Target      uint64                 `json:"target,omitempty"` // position of what is edited or deleted
	State       string                 `json:"state"`            // open, or why there is no text
	Exception   envelope.ExceptionCode `json:"exception,omitempty"`
	Text        string                 `json:"text"`
	TextSHA256  string                 `json:"text_sha256,omitempty"`
	Files       []File                 `json:"files,omitempty"`
}

// File is one attachment.
type File struct {
	Blob   envelope.BlobID `json:"blob"`
	Name   string          `json:"name"`
	Type   string          `json:"type"`
	Size   uint64          `json:"size"`
	SHA256 string          `json:"sha256,omitempty"` // of the plain bytes; empty when the archive lacks it
}

// JSONL writes one JSON object a line, in the order of the log. It loses
// nothing that the archive has but signatures and proofs.
type JSONL struct {
	buf   *bufio.Writer
	enc   *json.Encoder
	Open  int // messages with text
	Other int // messages that stay closed
}

// NewJSONL starts a conversion.
func NewJSONL(dst io.Writer) *JSONL {
	buf := bufio.NewWriter(dst)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	return &JSONL{buf: buf, enc: enc}
}

var kinds = map[envelope.MessageKind]string{envelope.Post: "post", envelope.Edit: "edit", envelope.Delete: "delete"}

// Message writes one message; it is an archive.Reading's Message.
func (j *JSONL) Message(m *archive.Message) error {
	line := Line{
		Archive: m.Archive, Index: m.Index, Entry: m.Placed.Hash(), Channel: m.Channel.Channel, ChannelName: m.Channel.Name,
		Position: m.Placed.Position, Received: utc(m.Placed.Received), Sent: utc(m.Header.Time), Sender: m.Header.User,
		SenderName: m.Sender.Name, Username: m.Sender.Username, Device: m.Header.Device,
		Kind: kinds[m.Header.Kind], Target: m.Header.Target.Position, State: string(m.Closed), Exception: m.Exception,
	}
	j.Other++
	if m.Body != nil {
		j.Other--
		j.Open++
		line.State, line.Text = "open", m.Body.Text
		line.TextSHA256 = envelope.SumBytes([]byte(m.Body.Text)).String()
		line.Files = files(m)
	}
	if err := j.enc.Encode(&line); err != nil {
		return fmt.Errorf("writing message %d: %w", m.Index, err)
	}
	return nil
}

func files(m *archive.Message) []File {
	var out []File
	for i, f := range m.Body.Files {
		file := File{Blob: m.Header.Attachments[i].ID, Name: f.Name, Type: f.Type, Size: f.Size}
		if sum := m.Files[i]; sum != [32]byte{} {
			file.SHA256 = hex.EncodeToString(sum[:])
		}
		out = append(out, file)
	}
	return out
}

func utc(micro int64) time.Time { return time.UnixMicro(micro).UTC() }

// Close writes what is buffered. It does not close dst.
func (j *JSONL) Close() error { return j.buf.Flush() }
