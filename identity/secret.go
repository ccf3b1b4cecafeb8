package identity

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "redacted"

// Secret is a configured password. It hides itself from logs, fmt and JSON;
// string(s) is the explicit way to the value.
type Secret string

// LogValue keeps the value out of logs.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format answers every verb alike, since %d or %x would print past a String method.
func (Secret) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// MarshalText keeps the value out of JSON and other encodings.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
