package vectors

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write crypto/testdata/vectors")

// Hex is bytes that are written in hexadecimal.
type Hex []byte

func (h Hex) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

func (h *Hex) UnmarshalText(t []byte) (err error) {
	*h, err = hex.DecodeString(string(t))
	return err
}

type file[T any] struct {
	About string `json:"about"`
	Cases []T    `json:"cases"`
}

// path of a file, from a package directly under crypto.
func path(name string) string { return filepath.Join("..", "testdata", "vectors", name) }

// Check finds that a file holds exactly these cases, or writes it under -update.
func Check[T any](name, about string, cases []T) error {
	want, err := json.MarshalIndent(file[T]{about, cases}, "", " ")
	if err != nil {
		return fmt.Errorf("encoding %s: %w", name, err)
	}
	want = append(want, '\n')
	if *update {
		return os.WriteFile(path(name), want, 0o644)
	}
	if got, err := os.ReadFile(path(name)); err != nil || !bytes.Equal(got, want) {
		return fmt.Errorf("%s differs from what the format gives now (%v): see its README", name, err)
	}
	return nil
}

// Load gives the cases of a file.
func Load[T any](t testing.TB, name string) []T {
	t.Helper()
	b, err := os.ReadFile(path(name))
	if err != nil {
		t.Fatal(err)
	}
	var read file[T]
	if err := json.Unmarshal(b, &read); err != nil {
		t.Fatal(err)
	}
	return read.Cases
}

// Keep is Check, then Load.
func Keep[T any](t testing.TB, name, about string, cases []T) []T {
	t.Helper()
	if err := Check(name, about, cases); err != nil {
		t.Error(err)
	}
	return Load[T](t, name)
}
