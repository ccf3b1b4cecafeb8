package identity

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

const tokenPrefix = "chs_"

// Strict, because the spare bits of the last character would otherwise give
// one token several spellings.
var tokenText = base64.RawURLEncoding.Strict()

var errToken = errors.New("malformed session token")

// Token is the secret a client presents for its session: 256 random bits.
// It is never stored; keep its [TokenHash].
type Token struct{ secret [32]byte }

// TokenHash is what the store keeps of a token: SHA-256 of its 32 bytes.
// No salt or stretching is needed against guessing 256 random bits.
type TokenHash [sha256.Size]byte

// NewToken draws a token from random.
func NewToken(random io.Reader) (Token, error) {
	var t Token
	if _, err := io.ReadFull(random, t.secret[:]); err != nil {
		return Token{}, fmt.Errorf("drawing session token: %w", err)
	}
	return t, nil
}

// ParseToken reads the text form "chs_" and 43 characters of unpadded
// base64url. Errors never quote the input.
func ParseToken(text string) (Token, error) {
	var t Token
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	if !ok || len(rest) != tokenText.EncodedLen(len(t.secret)) || strings.ContainsAny(rest, "\r\n") {
		return Token{}, errToken
	}
	raw, err := tokenText.DecodeString(rest)
	if err != nil {
		return Token{}, errToken
	}
	copy(t.secret[:], raw)
	return t, nil
}

// Reveal returns the text form, for the cookie or the answer to a sign-in.
func (t Token) Reveal() string { return tokenPrefix + tokenText.EncodeToString(t.secret[:]) }

// Hash returns what to store and to look a session up by.
func (t Token) Hash() TokenHash { return sha256.Sum256(t.secret[:]) }

// LogValue keeps the token out of logs.
func (Token) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format answers every verb alike, since %x would print the bytes.
func (Token) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// Equal compares in constant time.
func (h TokenHash) Equal(other TokenHash) bool {
	return subtle.ConstantTimeCompare(h[:], other[:]) == 1
}
