package policy

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"
)

// wire is the question as chancery.input/v1 JSON.
type wire struct {
	Schema   string   `json:"schema"`
	Action   Action   `json:"action"`
	Subject  Subject  `json:"subject"`
	Resource Resource `json:"resource"`
	Context  Context  `json:"context"`
}

func (q *Question) wire() wire {
	return wire{InputSchema, q.Action, q.Subject, q.Resource, q.Context}
}

// record is what an auditor needs to ask the same question again of the same
// bundle and compare.
type record struct {
	Schema      string       `json:"schema"`
	ID          string       `json:"id"`
	Generation  uint64       `json:"generation"`
	Digest      string       `json:"digest"`
	Allow       bool         `json:"allow"`
	Codes       []string     `json:"codes"`
	Obligations []Obligation `json:"obligations"`
	Input       wire         `json:"input"`
}

// Facts is canonical JSON of q, which d answers, and of what came out, so that an
// auditor can ask again: fields in a fixed order, map keys sorted, no spaces, no
// escapes that JSON does not require.
func (d Decision) Facts(q Question) []byte {
	codes := make([]string, len(d.Reasons))
	for i, reason := range d.Reasons {
		codes[i] = reason.Code
	}
	duties := d.Obligations
	if duties == nil {
		duties = []Obligation{}
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(record{DecisionSchema, d.ID, d.Generation, d.Digest, d.Allow, codes, duties, q.wire()})
	if err != nil {
		panic(err) // strings, numbers and booleans always encode
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// newID makes a UUIDv7 (RFC 9562 §5.7). Only records carry it; no rule sees it,
// so its clock and randomness cannot change a decision.
func newID() string {
	var id [16]byte
	_, _ = rand.Read(id[6:]) // crypto/rand never returns an error
	var stamp [8]byte
	binary.BigEndian.PutUint64(stamp[:], uint64(time.Now().UnixMilli()))
	copy(id[:6], stamp[2:])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
