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

// Option changes how a keyring protects its master key.
type Option func(*config)

type config struct {
	suite envelope.Suite
	cheap bool
}

// Suite chooses the suite of a keyring for Create: the way in which the
// passphrase protects it, and the suite of the identities in it. Without it the
// suite is age. Open finds it in the keyring.
func Suite(s envelope.Suite) Option { return func(c *config) { c.suite = s } }

// Cheap asks for the least work that a passphrase may cost, in Create and
// ChangePassphrase. It is meant for tests only.
func Cheap() Option { return func(c *config) { c.cheap = true } }

func configure(options []Option) config {
	c := config{suite: envelope.SuiteAge}
	for _, o := range options {
		o(&c)
	}
	return c
}

// Suite is the suite that the keyring was made for.
func (r *Ring) Suite() envelope.Suite { return r.config.suite }

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
	if err := checkMode(dir); err != nil {
		return nil, err
	}
	lock, err := takeLock(filepath.Join(dir, lockFile))
	if err != nil {
		return nil, err
	}
	return &Ring{dir: dir, lock: lock, config: configure(options), slots: map[string]slot{}}, nil
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
	return dropLock(r.lock)
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
