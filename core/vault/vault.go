package vault

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"chancery/crypto/keytree"
)

var (
	// ErrMissingTree reports a channel that has no tree in every copy. A post to
	// it must be refused.
	ErrMissingTree = errors.New("channel has no key tree in the vault")
	// ErrCopyLost reports a copy that is not there, or not in full. A post must be
	// refused: its tree is not in every copy.
	ErrCopyLost = errors.New("a copy of the vault is lost: bring it back, or restart the server to rebuild it from another")
	// ErrPunctured reports a salt that was shredded.
	ErrPunctured = keytree.ErrPunctured
	// ErrSalt reports a sealed salt that does not open under its leaf.
	ErrSalt = errors.New("sealed salt does not open")
	// ErrFenced reports that another holder, with a higher fencing number, has
	// taken over.
	ErrFenced = errors.New("another holder has taken over the vault")
	// ErrNoVault reports copies and key directories without any vault.
	ErrNoVault = errors.New("no vault here")
	// ErrKey reports a KEK that is missing, malformed, or readable by others.
	ErrKey = errors.New("unusable key-encryption key")
	// ErrCorrupt reports damage that no copy can mend.
	ErrCorrupt = errors.New("vault is damaged")
)

// Config says where a vault lies.
type Config struct {
	Copies []string // at least two directories, best on different disks
	Keys   []string // at least one directory for KEK files, best on another host
	Fence  uint64   // fencing number of the lease; lower than a copy's is refused
	Trees  int      // open trees kept in memory; 0 is 1,024
	// New allows making an empty vault, and the directories, where there is none.
	// Without it a missing mount is an error and never a new, empty vault.
	New    bool
	Random io.Reader // source of tree roots and KEKs; nil is crypto/rand
}

// Vault holds the key trees of all channels. It is safe for concurrent use.
type Vault struct {
	keys   keyDirs
	copies []vaultCopy
	fence  uint64
	random io.Reader

	writing sync.Mutex // held by whoever changes files
	unsure  bool       // a change failed half way: recover before the next one
	closed  bool
	mended  []string

	// mu is held for reading through each use of a tree, so that taking it for
	// writing waits until nobody uses a tree of the generation to be replaced.
	mu    sync.RWMutex
	gen   *generation
	cache *cache
}

// Open opens a vault, and first finishes or undoes what a crash interrupted. A
// copy that lost files is rebuilt from another; see Mended.
func Open(cfg Config) (*Vault, error) { return open(cfg, nil) }

func open(cfg Config, step func(op, path string) error) (*Vault, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("opening vault: %w", err)
	}
	d := disk{step}
	v := &Vault{keys: keyDirs{d, cfg.Keys}, fence: cfg.Fence, random: cfg.Random, cache: newCache(cfg.Trees)}
	if v.random == nil {
		v.random = rand.Reader
	}
	for _, dir := range cfg.Copies {
		v.copies = append(v.copies, vaultCopy{d, dir})
	}
	unlock, err := lockAll(v.copies)
	if err != nil {
		return nil, fmt.Errorf("opening vault: %w", err)
	}
	defer unlock()
	if err := v.recover(cfg.New); err != nil {
		return nil, fmt.Errorf("opening vault: %w", err)
	}
	return v, nil
}

func (cfg *Config) check() error {
	var dirs []string
	for _, dir := range slices.Concat(cfg.Copies, cfg.Keys) {
		if cfg.New {
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return err
			}
		}
		real, err := filepath.EvalSymlinks(dir)
		if err != nil {
			return err
		}
		if slices.Contains(dirs, real) {
			return fmt.Errorf("directory %s is named twice", dir)
		}
		dirs = append(dirs, real)
	}
	if len(cfg.Copies) < 2 || len(cfg.Keys) < 1 {
		return fmt.Errorf("%d copies and %d key directories: want at least 2 and 1", len(cfg.Copies), len(cfg.Keys))
	}
	return nil
}

// Mended says what was put right since Open: copies rebuilt, unfinished changes
// undone. Each is a sentence for the operator.
func (v *Vault) Mended() []string {
	v.writing.Lock()
	defer v.writing.Unlock()
	return slices.Clone(v.mended)
}

// Generation is the number of the current generation. A caller that remembers
// it elsewhere can tell a vault that was put back to an earlier day.
func (v *Vault) Generation() uint64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.gen.number
}

// Close overwrites the trees in memory. The vault can't be used after it.
func (v *Vault) Close() error {
	v.writing.Lock()
	defer v.writing.Unlock()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.cache.wipe()
	v.gen = &generation{}
	v.closed = true
	return nil
}

// Has says whether a channel has its tree in every copy.
func (v *Vault) Has(channel Channel) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	_, ok := v.gen.trees[channel]
	return ok
}

// Create makes the tree of a channel. When it returns nil the tree was read back
// from every copy. Doing it again changes nothing.
func (v *Vault) Create(channel Channel) error {
	err := v.change(func() error {
		if v.Has(channel) {
			return nil
		}
		tree, err := keytree.New(v.random)
		if err != nil {
			return err
		}
		defer tree.Wipe()
		record, err := v.gen.sealTree(channel, v.fence, tree)
		if err != nil {
			return err
		}
		for _, c := range v.copies {
			if err := c.disk.extend(c.path(genName(v.gen.number)), record, v.gen.size); err != nil {
				return err
			}
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		v.gen.add(channel, len(record))
		return nil
	})
	if err != nil {
		return fmt.Errorf("creating key tree: %w", err)
	}
	return nil
}

// change runs do as the only writer, in this process and by file locks in
// others, after making sure that every copy is as this process left it.
func (v *Vault) change(do func() error) error {
	v.writing.Lock()
	defer v.writing.Unlock()
	if v.closed {
		return os.ErrClosed
	}
	unlock, err := lockAll(v.copies)
	if err != nil {
		return err
	}
	defer unlock()
	if err := v.current(); err != nil {
		return err
	}
	if err := do(); err != nil {
		v.unsure = true
		return err
	}
	return nil
}

// current recovers if a copy is not as this process left it: after a change that
// failed half way, a copy that was lost, or another holder's turn, which recover
// refuses with ErrFenced.
func (v *Vault) current() error {
	for _, c := range v.copies {
		p, err := c.pointer()
		if err != nil || p != (pointer{v.gen.number, v.fence}) {
			v.unsure = true
			break
		}
		info, err := os.Stat(c.path(genName(p.generation)))
		if err != nil || info.Size() != v.gen.size {
			v.unsure = true
			break
		}
	}
	if !v.unsure {
		return nil
	}
	return v.recover(false)
}
