package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"
)

// ErrJSON reports a value that has no canonical JSON here.
var ErrJSON = errors.New("no canonical JSON")

// maxInteger is the largest integer that every JSON reader keeps exactly.
const maxInteger = 1<<53 - 1

// JSON gives the canonical JSON of v: RFC 8785 for the values that Chancery
// uses, which are objects with ASCII names, arrays, strings, integers of up to
// 53 bits, booleans and null. It fails with ErrJSON on everything else, also on
// a raw message that names a member twice.
func JSON(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrJSON, err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var out bytes.Buffer
	if err := canonical(&out, d, 0); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: more than one value", ErrJSON)
	}
	return out.Bytes(), nil
}

const maxDepth = 16

// canonical copies the next value of d to out in its canonical form.
func canonical(out *bytes.Buffer, d *json.Decoder, depth int) error {
	token, err := d.Token()
	if err != nil || depth > maxDepth {
		return fmt.Errorf("%w: malformed or too deep", ErrJSON)
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return canonicalObjectTo(out, d, depth)
		}
		return canonicalArray(out, d, depth)
	case string:
		return canonicalString(out, t)
	case json.Number:
		return canonicalNumber(out, t)
	case bool:
		out.WriteString(strconv.FormatBool(t))
	default:
		out.WriteString("null")
	}
	return nil
}

func canonicalArray(out *bytes.Buffer, d *json.Decoder, depth int) error {
	out.WriteByte('[')
	for first := true; d.More(); first = false {
		if !first {
			out.WriteByte(',')
		}
		if err := canonical(out, d, depth+1); err != nil {
			return err
		}
	}
	out.WriteByte(']')
	_, err := d.Token()
	return err
}

func canonicalObjectTo(out *bytes.Buffer, d *json.Decoder, depth int) error {
	members := map[string][]byte{}
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		if err != nil || !ok || !ascii(name) {
			return fmt.Errorf("%w: member name %q", ErrJSON, name)
		}
		if _, twice := members[name]; twice {
			return fmt.Errorf("%w: member %q twice", ErrJSON, name)
		}
		var value bytes.Buffer
		if err := canonical(&value, d, depth+1); err != nil {
			return err
		}
		members[name] = value.Bytes()
	}
	out.WriteByte('{')
	for i, name := range slices.Sorted(maps.Keys(members)) {
		if i > 0 {
			out.WriteByte(',')
		}
		if err := canonicalString(out, name); err != nil {
			return err
		}
		out.WriteByte(':')
		out.Write(members[name])
	}
	out.WriteByte('}')
	_, err := d.Token()
	return err
}

func ascii(s string) bool {
	for _, c := range []byte(s) {
		if c < 0x20 || c > 0x7e {
			return false
		}
	}
	return true
}

func canonicalNumber(out *bytes.Buffer, n json.Number) error {
	i, err := strconv.ParseInt(n.String(), 10, 64)
	if err != nil || i > maxInteger || i < -maxInteger || strconv.FormatInt(i, 10) != n.String() {
		return fmt.Errorf("%w: number %s is not an integer of 53 bits", ErrJSON, n)
	}
	out.WriteString(n.String())
	return nil
}

// canonicalString is not json.Marshal, which escapes more than RFC 8785 does.
func canonicalString(out *bytes.Buffer, s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w: text is not UTF-8", ErrJSON)
	}
	short := map[byte]byte{'"': '"', '\\': '\\', '\b': 'b', '\t': 't', '\n': 'n', '\f': 'f', '\r': 'r'}
	out.WriteByte('"')
	for _, c := range []byte(s) {
		switch e, ok := short[c]; {
		case ok:
			out.Write([]byte{'\\', e})
		case c < 0x20:
			fmt.Fprintf(out, "\\u%04x", c)
		default:
			out.WriteByte(c)
		}
	}
	out.WriteByte('"')
	return nil
}
