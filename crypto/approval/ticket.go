package approval

import (
	"encoding/base32"
	"fmt"
	"strings"
	"unicode"

	"chancery/crypto/envelope"
)

// Ticket is what a new device shows as a QR code, or as text to paste: enough
// for an approving device to know it, by a way that the server doesn't see.
type Ticket struct {
	_       struct{} `cbor:",toarray"`
	Version uint
	Org     envelope.OrgID
	Claims  envelope.Hash
	Nonce   Nonce
}

// scheme and base 32 are of the letters that a QR code packs densest.
const scheme = "CHANCERY-DEVICE:"

var base = base32.StdEncoding.WithPadding(base32.NoPadding)

// Ticket for a proposal.
func (o Opening) Ticket() Ticket {
	return Ticket{Version: envelope.Version, Org: o.Org, Claims: o.Claims, Nonce: o.Nonce}
}

// Opening that the ticket is for, if it is for this user.
func (t Ticket) Opening(user envelope.UserID) Opening {
	return Opening{Org: t.Org, User: user, Claims: t.Claims, Nonce: t.Nonce}
}

// String is the text form, in capitals.
func (t Ticket) String() string { return scheme + base.EncodeToString(envelope.Marshal(&t)) }

// IsTicket tells whether text means to be a ticket.
func IsTicket(text string) bool { return strings.HasPrefix(tidy(text), scheme) }

// ParseTicket reads the text form, in any case and with line breaks where a
// terminal made them. It fails with envelope.ErrFormat.
func ParseTicket(text string) (Ticket, error) {
	var t Ticket
	body, ok := strings.CutPrefix(tidy(text), scheme)
	if !ok {
		return t, fmt.Errorf("%w: a ticket begins with %s", envelope.ErrFormat, scheme)
	}
	b, err := base.DecodeString(body)
	if err != nil || base.EncodeToString(b) != body {
		return t, fmt.Errorf("%w: ticket with a character missing or wrong", envelope.ErrFormat)
	}
	if err := envelope.Unmarshal(b, &t); err != nil {
		return t, err
	}
	if t.Version != envelope.Version {
		return t, fmt.Errorf("%w: ticket version %d", envelope.ErrFormat, t.Version)
	}
	return t, nil
}

func tidy(text string) string {
	return strings.ToUpper(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text))
}
