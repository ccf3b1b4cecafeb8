package ldap

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"chancery/identity"
)

var errNoSubject = errors.New("no usable subject id")

// subjectOf reads the one permanent id of an entry as canonical text. The
// service account may lack the right to read it, hence the plain error.
func subjectOf(entry *ldap.Entry, kind identity.SubjectKind) (string, error) {
	raw := entry.GetEqualFoldRawAttributeValues(string(kind))
	if len(raw) != 1 {
		return "", fmt.Errorf("%w: %d values of %s", errNoSubject, len(raw), kind)
	}
	switch kind {
	case identity.ObjectGUID:
		if len(raw[0]) != 16 {
			return "", fmt.Errorf("%w: objectGUID of %d bytes", errNoSubject, len(raw[0]))
		}
		return formatUUID(swapGUID([16]byte(raw[0]))), nil
	case identity.EntryUUID:
		if len(raw[0]) == 16 {
			return formatUUID([16]byte(raw[0])), nil
		}
		id, err := parseUUID(string(raw[0]))
		return formatUUID(id), err
	}
	// nsUniqueId is text of the server's own form: 8-8-8-8 hexadecimal digits.
	text := strings.ToLower(string(raw[0]))
	if !isNSUniqueID(text) {
		return "", fmt.Errorf("%w: malformed %s", errNoSubject, kind)
	}
	return text, nil
}

// subjectFilter is the filter that finds subject again. Text that can't be an
// id of this kind is refused and not sent.
func subjectFilter(subject string, kind identity.SubjectKind) (string, error) {
	if kind == identity.NSUniqueID {
		if !isNSUniqueID(subject) {
			return "", fmt.Errorf("%w: malformed %s", errNoSubject, kind)
		}
		return "(nsUniqueId=" + subject + ")", nil
	}
	id, err := parseUUID(subject)
	if err != nil {
		return "", err
	}
	if kind == identity.EntryUUID {
		return "(entryUUID=" + formatUUID(id) + ")", nil
	}
	var b strings.Builder
	for _, octet := range swapGUID(id) {
		fmt.Fprintf(&b, `\%02x`, octet)
	}
	return "(objectGUID=" + b.String() + ")", nil
}

// swapGUID turns the byte order of Active Directory (first three fields
// little-endian) into that of RFC 9562, and back.
func swapGUID(g [16]byte) [16]byte {
	g[0], g[1], g[2], g[3] = g[3], g[2], g[1], g[0]
	g[4], g[5] = g[5], g[4]
	g[6], g[7] = g[7], g[6]
	return g
}

func formatUUID(id [16]byte) string {
	h := hex.EncodeToString(id[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func parseUUID(text string) (id [16]byte, err error) {
	digits := strings.ReplaceAll(text, "-", "")
	if _, err := hex.Decode(id[:], []byte(padded(digits))); err != nil || formatUUID(id) != strings.ToLower(text) {
		return [16]byte{}, fmt.Errorf("%w: malformed UUID", errNoSubject)
	}
	return id, nil
}

// padded makes text of another length undecodable, which would overrun the array.
func padded(digits string) string {
	if len(digits) != 32 {
		return "x"
	}
	return digits
}

func isNSUniqueID(text string) bool {
	parts := strings.Split(text, "-")
	for _, p := range parts {
		if _, err := hex.DecodeString(p); err != nil || len(p) != 8 {
			return false
		}
	}
	return len(parts) == 4
}
