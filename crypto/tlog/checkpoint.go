package tlog

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrCheckpoint reports a checkpoint body that is not in the one accepted form.
var ErrCheckpoint = errors.New("malformed checkpoint")

// Checkpoint is the signed state of a log (C2SP tlog-checkpoint). The archive
// chain uses the same body, with the archive's ordinal as size and the hash of
// its manifest as root.
type Checkpoint struct {
	Origin string // the log's name, also the name of its key
	Size   int64  // number of leaves
	Root   Hash   // RFC 6962 root over them
}

// MarshalText returns the three lines origin, decimal size and base64 root, each
// ending in a newline.
func (c Checkpoint) MarshalText() ([]byte, error) {
	if !validName(c.Origin) || c.Size < 0 {
		return nil, fmt.Errorf("writing checkpoint of %q: %w", c.Origin, ErrCheckpoint)
	}
	return fmt.Appendf(nil, "%s\n%d\n%s\n", c.Origin, c.Size, c.Root), nil
}

// UnmarshalText reads a body. Extension lines, which C2SP allows, are refused:
// every byte that is signed must mean something to every reader.
func (c *Checkpoint) UnmarshalText(text []byte) error {
	lines := strings.Split(string(text), "\n")
	if len(lines) != 4 {
		return fmt.Errorf("reading checkpoint: %d lines: %w", len(lines)-1, ErrCheckpoint)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return fmt.Errorf("reading checkpoint size: %w", ErrCheckpoint)
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != len(Hash{}) {
		return fmt.Errorf("reading checkpoint root: %w", ErrCheckpoint)
	}
	got := Checkpoint{Origin: lines[0], Size: size, Root: Hash(root)}
	canonical, err := got.MarshalText()
	if err != nil {
		return err
	}
	if string(canonical) != string(text) {
		return fmt.Errorf("reading checkpoint: not canonical: %w", ErrCheckpoint)
	}
	*c = got
	return nil
}

// validName says whether a log or key name may stand in a note: C2SP forbids
// white space and plus signs, which would make signature lines ambiguous.
func validName(name string) bool {
	bad := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '+' }
	return name != "" && utf8.ValidString(name) && strings.IndexFunc(name, bad) < 0
}
