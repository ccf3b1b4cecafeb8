package vectors

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
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

// path of a file, from any package of the module.
func path(name string) string {
	up := ""
	for _, err := os.Stat("go.mod"); err != nil && len(up) < 60; _, err = os.Stat(filepath.Join(up, "go.mod")) {
		up = filepath.Join("..", up)
	}
	return filepath.Join(up, "crypto", "testdata", "vectors", name)
}

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

// Once writes a file under -update when there is none yet, for formats that draw
// their own randomness.
func Once[T any](t testing.TB, name, about string, cases func() []T) {
	t.Helper()
	if _, err := os.Stat(path(name)); !*update || !errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err := Check(name, about, cases()); err != nil {
		t.Error(err)
	}
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
