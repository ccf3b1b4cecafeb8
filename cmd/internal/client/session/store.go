package session

import (
	"encoding/json"
	"errors"
	"fmt"

	"chancery/crypto/keyring"
)

// load reads state into v, as JSON because its maps may be larger than an
// envelope takes. State that was never saved leaves v alone.
func load(s Store, name string, v any) error {
	b, err := s.Get(name)
	if errors.Is(err, keyring.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("reading state %s: %w", name, err)
	}
	return nil
}

func save(s Store, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing state %s: %w", name, err)
	}
	return s.Put(name, b)
}
