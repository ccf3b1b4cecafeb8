package keyring

import (
	"errors"
	"fmt"
)

var (
	// ErrPassphrase: the passphrase is wrong, or empty.
	ErrPassphrase = errors.New("wrong passphrase")
	// ErrExists: Create found a keyring.
	ErrExists = errors.New("keyring exists")
	// ErrNotFound: no keyring, or no item of that name.
	ErrNotFound = errors.New("not found")
	// ErrDamaged: a file is not what was written, or was moved to another name.
	ErrDamaged = errors.New("keyring file is damaged")
	// ErrMode: others than the owner can read a secret file.
	ErrMode = errors.New("readable by others than its owner")
	// ErrName: an item name is not 1 to 128 of a-z, 0-9, '-', '_' and '.', the
	// first a letter or digit.
	ErrName = errors.New("not an item name")
	// ErrLocked: another process holds the keyring; see LockedError.
	ErrLocked = errors.New("keyring is in use")
	// ErrClosed: the ring was closed.
	ErrClosed = errors.New("keyring is closed")
)

// LockedError is ErrLocked with the process that holds the keyring.
type LockedError struct{ PID int } // 0 when it can't be read

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return ErrLocked.Error()
	}
	return fmt.Sprintf("%v by process %d", ErrLocked, e.PID)
}

func (e *LockedError) Unwrap() error { return ErrLocked }
