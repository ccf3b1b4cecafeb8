package keyring

import (
	"fmt"
	"strings"
)

// PassphraseFromFile reads a passphrase for a service from a file that only its
// owner may read, such as a systemd credential. One newline at the end is not
// part of it.
func PassphraseFromFile(path string) (string, error) {
	b, err := readFile(path, 4<<10)
	if err != nil {
		return "", fmt.Errorf("reading passphrase from %s: %w", path, err)
	}
	passphrase := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if passphrase == "" {
		return "", fmt.Errorf("reading passphrase from %s: %w: it is empty", path, ErrPassphrase)
	}
	return passphrase, nil
}
