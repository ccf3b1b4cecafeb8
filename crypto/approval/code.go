package approval

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// ErrCode: the typed code is not the one that the other screen must show.
var ErrCode = errors.New("the codes differ")

// Code is 30 bits for a person to read from one screen and type on another: six
// characters, in two groups. The alphabet has no I, L, O and U.
type Code string

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// Codes are the two halves of what the devices compare: the new device shows the
// first, and expects the second, which the approving device shows only after it
// was given the first.
func (t Transcript) Codes() (first, second Code) {
	sum := t.Sum()
	bits := binary.BigEndian.Uint64(sum[:8])
	return code(bits >> 34), code(bits >> 4)
}

// code writes the lowest 30 bits.
func code(bits uint64) Code {
	var b [6]byte
	for i := range b {
		b[i] = alphabet[bits>>(25-5*i)&31]
	}
	return Code(fmt.Sprintf("%s %s", b[:3], b[3:]))
}

var spelling = strings.NewReplacer(" ", "", "-", "", "O", "0", "I", "1", "L", "1")

// ParseCode reads what somebody typed, in any case and grouping; O counts as 0,
// I and L as 1. A text that is no code is not a wrong code: ok is false, and the
// person may type again.
func ParseCode(typed string) (c Code, ok bool) {
	t := spelling.Replace(strings.ToUpper(strings.TrimSpace(typed)))
	if len(t) != 6 || strings.Trim(t, alphabet) != "" {
		return "", false
	}
	return Code(t[:3] + " " + t[3:]), true
}
