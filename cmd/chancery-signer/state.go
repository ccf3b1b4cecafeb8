package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"chancery/crypto/envelope"
	"chancery/crypto/sign"
	"chancery/crypto/sign/signer"
)

const keyFile = "key"

// state is the key and what it has signed. One process has it at a time.
type state struct {
	dir  string
	key  *sign.Key
	lock *os.File
	mu   sync.Mutex // one request is decided at a time
}

// kept is one file of the state: what was signed last under a name.
type kept struct {
	Name   string        `json:"name"`
	Size   int64         `json:"size"` // tree size, or ordinal; 0 for certificates
	Root   envelope.Hash `json:"root"` // root, manifest, or SHA-256 of the statement
	Signed envelope.Hash `json:"signed"`
}

func openState(dir string) (*state, error) {
	key, err := sign.LoadKey(filepath.Join(dir, keyFile))
	if err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another signer uses %s: %w", dir, err), lock.Close())
	}
	return &state{dir: dir, key: key, lock: lock}, nil
}

// Close lets another process have the state.
func (s *state) Close() error { return s.lock.Close() }

// path names the file of a name. Names come from the server, so they are hashed.
func (s *state) path(kind, name string) string {
	return filepath.Join(s.dir, kind+"-"+envelope.SumBytes([]byte(name)).String()+".json")
}

// load finds what was signed last; false when nothing was.
func (s *state) load(kind, name string) (kept, bool, error) {
	raw, err := os.ReadFile(s.path(kind, name))
	if errors.Is(err, fs.ErrNotExist) {
		return kept{}, false, nil
	}
	if err != nil {
		return kept{}, false, err
	}
	var k kept
	if err := json.Unmarshal(raw, &k); err != nil || k.Name != name {
		return kept{}, false, fmt.Errorf("%s is damaged: %w", s.path(kind, name), err)
	}
	return k, true, nil
}

// save puts on disk what is about to be signed.
func (s *state) save(kind string, k kept) error {
	raw, err := json.Marshal(k)
	if err != nil {
		return err
	}
	path := s.path(kind, k.Name)
	f, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return err
	}
	d, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// adopt replaces what was signed last, of whichever kind the name is.
func (s *state) adopt(name string, last signer.Last) (kept, error) {
	kind := kindLog
	if strings.Contains(name, "/archive/") {
		kind = kindArchive
	}
	before, _, err := s.load(kind, name)
	if err != nil {
		return kept{}, err
	}
	return before, s.save(kind, kept{Name: name, Size: last.Size, Root: envelope.Hash(last.Root)})
}
