package keyring

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// Ring is an open keyring. It is safe for concurrent use within the process.
type Ring struct {
	dir    string
	lock   *os.File
	config config

	mu     sync.Mutex
	master seal.DataKey
	slots  map[string]slot
	closed bool
}

type config struct{ logN int }

// Option changes how a keyring protects its master key.
type Option func(*config)

// Scrypt's work factors: 2^17 takes about half a second and 128 MiB. A file
// that asks for more than 2^20 is refused before any work is done.
const (
	defaultLogN = 17
	minLogN     = 10
	maxLogN     = 20
)

// LogN sets the work factor for Create and ChangePassphrase. Below the default
// of 17 it is meant for tests only.
func LogN(n int) Option { return func(c *config) { c.logN = n } }

func configure(options []Option) (config, error) {
	c := config{logN: defaultLogN}
	for _, o := range options {
		o(&c)
	}
	if c.logN < minLogN || c.logN > maxLogN {
		return c, fmt.Errorf("work factor 2^%d is not within 2^%d and 2^%d", c.logN, minLogN, maxLogN)
	}
	return c, nil
}

// Create makes a keyring in dir, which it makes too, and opens it.
func Create(dir, passphrase string, options ...Option) (*Ring, error) {
	r, err := create(dir, passphrase, options)
	if err != nil {
		return nil, fmt.Errorf("creating keyring %s: %w", dir, err)
	}
	return r, nil
}

func create(dir, passphrase string, options []Option) (*Ring, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	r, err := hold(dir, options)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(r.path(configFile)); !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(ErrExists, r.Close())
	}
	r.master = seal.NewDataKey()
	if err := r.writeMaster(passphrase); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Open opens the keyring in dir. It takes about a second of work, by
// design, and fails with ErrPassphrase, ErrLocked, ErrMode, ErrNotFound or
// ErrDamaged.
func Open(dir, passphrase string, options ...Option) (*Ring, error) {
	r, err := open(dir, passphrase, options)
	if err != nil {
		return nil, fmt.Errorf("opening keyring %s: %w", dir, err)
	}
	return r, nil
}

func open(dir, passphrase string, options []Option) (*Ring, error) {
	if _, err := os.Lstat(filepath.Join(dir, configFile)); errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound // before a lock file is left where no keyring is
	}
	r, err := hold(dir, options)
	if err != nil {
		return nil, err
	}
	if err := r.readMaster(passphrase); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	if err := r.sweep(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// hold takes the directory for this process.
func hold(dir string, options []Option) (*Ring, error) {
	c, err := configure(options)
	if err != nil {
		return nil, err
	}
	if err := checkMode(dir); err != nil {
		return nil, err
	}
	lock, err := takeLock(filepath.Join(dir, lockFile))
	if err != nil {
		return nil, err
	}
	return &Ring{dir: dir, lock: lock, config: c, slots: map[string]slot{}}, nil
}

// ChangePassphrase protects the same master key by another passphrase. Copies
// of the old keyring.json still open with the old one.
func (r *Ring) ChangePassphrase(passphrase string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	if err := r.writeMaster(passphrase); err != nil {
		return fmt.Errorf("changing passphrase: %w", err)
	}
	return nil
}

// Close forgets the master key and lets another process in.
func (r *Ring) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed, r.master = true, seal.DataKey{}
	return r.lock.Close() // ends the lock
}

func (r *Ring) path(file string) string { return filepath.Join(r.dir, file) }

func (r *Ring) LogValue() slog.Value       { return slog.StringValue("keyring " + r.dir) }
func (r *Ring) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "keyring %s", r.dir) }

// PutValue keeps v, a struct that envelope.Marshal encodes, as item name.
func (r *Ring) PutValue(name string, v any) error { return r.Put(name, envelope.Marshal(v)) }

// Value reads what PutValue kept.
func Value[T any](r *Ring, name string) (*T, error) {
	b, err := r.Get(name)
	if err != nil {
		return nil, err
	}
	var v T
	if err := envelope.Unmarshal(b, &v); err != nil {
		return nil, fmt.Errorf("reading item %s: %w: %w", name, ErrDamaged, err)
	}
	return &v, nil
}
