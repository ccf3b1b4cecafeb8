package disposal

import (
	"bytes"
	"encoding/json"
	"fmt"

	"chancery/crypto/envelope"
)

// Body is the predicate of data/certs/<plan>.dsse. Members are in alphabetical
// order, which makes the encoding canonical.
type Body struct {
	Approvals     [][]byte `json:"approvals"`     // envelope.Signed over Approval, base64
	Backup        string   `json:"backup"`        // what becomes of backups, for people
	Confirmations [][]byte `json:"confirmations"` // envelope.Signed over Confirmation, base64
	Destroyed     uint64   `json:"destroyed"`     // vault leaves punctured
	Order         []byte   `json:"order"`         // envelope.DisposalPlan, base64
	Time          int64    `json:"time"`          // µs since 1970, UTC
}

// Parse reads a body in its one encoding.
func Parse(raw []byte) (*Body, error) {
	var b Body
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return nil, fmt.Errorf("reading a disposal: %w", err)
	}
	var again bytes.Buffer
	e := json.NewEncoder(&again)
	e.SetEscapeHTML(false)
	if err := e.Encode(&b); err != nil || !bytes.Equal(bytes.TrimSuffix(again.Bytes(), []byte("\n")), raw) {
		return nil, fmt.Errorf("reading a disposal: %w: not its canonical JSON", envelope.ErrFormat)
	}
	return &b, nil
}

// Plan is the order that was carried out.
func (b *Body) Plan() (*envelope.DisposalPlan, error) {
	return envelope.ParseOrder[envelope.DisposalPlan](b.Order)
}
