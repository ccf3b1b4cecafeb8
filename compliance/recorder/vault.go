package recorder

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"chancery/crypto/envelope"
	"chancery/crypto/keytree"
	"chancery/crypto/seal"
)

// vault keeps one channel's key tree: the secret of the message at position i
// is sealed under leaf i. A tree stands as trees/<channel>.<generation>, sealed
// under keys/<channel>.<generation>, two directories that should be on two
// disks. Puncturing writes the next generation under a new key and destroys the
// old key, so that an old copy of the tree opens nothing.
type vault struct {
	trees, keys string // directories
	org         envelope.OrgID
	channel     envelope.ChannelID
	random      io.Reader
	generation  uint64
	tree        *keytree.Tree
}

// errVault reports a tree or its key that is gone while sealed secrets exist.
var errVault = errors.New("vault has no tree for this channel")

// openVault opens the newest generation. A channel of which nothing is kept yet
// (fresh) gets its tree; for any other a new one would lose every secret.
func (v *vault) open(fresh bool) error {
	generations, err := v.generations()
	if err != nil {
		return fmt.Errorf("opening vault: %w", err)
	}
	for _, g := range slices.Backward(generations) {
		tree, err := v.read(g)
		if errors.Is(err, os.ErrNotExist) {
			continue // a crash came between key and tree
		}
		if err != nil {
			return fmt.Errorf("opening vault: generation %d: %w", g, err)
		}
		v.generation, v.tree = g, tree
		return v.forget(generations)
	}
	if !fresh {
		return errVault
	}
	tree, err := keytree.New(v.random)
	if err != nil {
		return err
	}
	return v.write(1, tree)
}

func (v *vault) path(dir string, g uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%s.%d", v.channel, g))
}

// generations are those that have a key, rising.
func (v *vault) generations() ([]uint64, error) {
	names, err := filepath.Glob(filepath.Join(v.keys, v.channel.String()+".*"))
	if err != nil {
		return nil, err
	}
	var out []uint64
	for _, name := range names {
		if g, err := strconv.ParseUint(name[strings.LastIndexByte(name, '.')+1:], 10, 64); err == nil {
			out = append(out, g)
		}
	}
	slices.Sort(out)
	return out, nil
}

func (v *vault) read(g uint64) (*keytree.Tree, error) {
	raw, err := os.ReadFile(v.path(v.keys, g))
	if err != nil {
		return nil, err
	}
	if len(raw) != 32 {
		return nil, fmt.Errorf("%w: key of %d bytes", errDamaged, len(raw))
	}
	sealed, err := os.ReadFile(v.path(v.trees, g))
	if err != nil {
		return nil, err
	}
	plain, err := seal.OpenBytes(seal.DataKey(raw), v.context(g), sealed)
	clear(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	defer clear(plain)
	tree := new(keytree.Tree)
	return tree, tree.UnmarshalBinary(plain)
}

func (v *vault) context(g uint64) []byte {
	return envelope.Frame("recorder-tree", v.org, v.channel, g)
}

// write makes generation g the one in use, once it can be read back, and then
// destroys the keys of those before.
func (v *vault) write(g uint64, tree *keytree.Tree) error {
	key := seal.NewDataKey()
	plain, err := tree.MarshalBinary()
	if err != nil {
		return err
	}
	sealed := seal.SealBytes(key, v.context(g), plain)
	clear(plain)
	err = errors.Join(os.MkdirAll(v.keys, 0o700), os.MkdirAll(v.trees, 0o700))
	if err == nil {
		err = writeFile(v.path(v.keys, g), key[:])
	}
	if err == nil {
		err = writeFile(v.path(v.trees, g), sealed)
	}
	if err != nil {
		return fmt.Errorf("writing vault: %w", err)
	}
	if _, err := v.read(g); err != nil {
		return fmt.Errorf("writing vault: reading back: %w", err)
	}
	v.generation, v.tree = g, tree
	generations, err := v.generations()
	if err != nil {
		return err
	}
	return v.forget(generations)
}

// forget destroys every generation but the one in use.
func (v *vault) forget(generations []uint64) error {
	for _, g := range generations {
		if g == v.generation {
			continue
		}
		if err := destroy(v.path(v.keys, g)); err != nil {
			return err
		}
		if err := os.Remove(v.path(v.trees, g)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (v *vault) leaf(position uint64) (seal.DataKey, error) {
	key, err := v.tree.Leaf(position)
	return seal.DataKey(key), err
}

// seal seals a message's secret under its position's leaf.
func (v *vault) seal(position uint64, x seal.Secret) ([]byte, error) {
	key, err := v.leaf(position)
	if err != nil {
		return nil, fmt.Errorf("sealing secret %d: %w", position, err)
	}
	return seal.SealBytes(key, v.secretContext(position), x[:]), nil
}

// unseal undoes seal. It fails with keytree.ErrPunctured once disposed of.
func (v *vault) unseal(position uint64, sealed []byte) (seal.Secret, error) {
	key, err := v.leaf(position)
	if err != nil {
		return seal.Secret{}, fmt.Errorf("opening secret %d: %w", position, err)
	}
	plain, err := seal.OpenBytes(key, v.secretContext(position), sealed)
	if err != nil || len(plain) != 32 {
		return seal.Secret{}, fmt.Errorf("opening secret %d: %w", position, errDamaged)
	}
	return seal.Secret(plain), nil
}

func (v *vault) secretContext(position uint64) []byte {
	return envelope.Frame("recorder-secret", v.org, v.channel, position)
}

// puncture destroys the leaves of the given positions for ever.
func (v *vault) puncture(positions []uint64) error {
	for _, p := range positions {
		if err := v.tree.Puncture(p); err != nil {
			return fmt.Errorf("puncturing: %w", err)
		}
	}
	return v.write(v.generation+1, v.tree)
}
