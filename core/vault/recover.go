package vault

import (
	"bytes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// recover brings every copy to the highest generation that a pointer names, and
// destroys all others. It is the same from whatever point a change stopped:
// before the first pointer moved the old generation stays, after it the new one
// does. Nothing is destroyed before the one that stays was read whole.
func (v *Vault) recover(mayStart bool) error {
	number, err := v.highest()
	if err != nil {
		return err
	}
	if number == 0 {
		number = 1
		if err := v.start(mayStart); err != nil {
			return err
		}
	}
	aead, notes, err := v.loadKey(number)
	if err != nil {
		return err
	}
	v.mended = append(v.mended, notes...)
	gen, data, err := v.best(number, aead)
	if err != nil {
		return err
	}
	if err := v.mend(gen, data); err != nil {
		return err
	}
	if err := v.settle(gen); err != nil {
		return err
	}
	v.unsure = false
	return nil
}

// highest is the highest generation that a copy points to, 0 if none points.
func (v *Vault) highest() (uint64, error) {
	var number uint64
	for _, c := range v.copies {
		p, err := c.pointer()
		if err != nil {
			// Another copy's pointer decides; this one is written anew.
			v.mended = append(v.mended, c.dir+" had a damaged pointer: written anew")
			continue
		}
		if p.fence > v.fence {
			return 0, fmt.Errorf("copy %s is at fence %d, we hold %d: %w", c.dir, p.fence, v.fence, ErrFenced)
		}
		number = max(number, p.generation)
	}
	return number, nil
}

// start writes the first, empty generation to every copy, if that is allowed and
// nothing can be lost by it.
func (v *Vault) start(allowed bool) error {
	keys, err := v.keys.any()
	if err != nil {
		return err
	}
	if keys {
		return fmt.Errorf("there are keys but every copy is empty: %w", ErrCorrupt)
	}
	if !allowed {
		return ErrNoVault
	}
	for _, c := range v.copies {
		if err := c.disk.replace(c.path(genName(1)), header(1)); err != nil {
			return err
		}
	}
	for _, c := range v.copies {
		if err := c.point(pointer{1, v.fence}); err != nil {
			return err
		}
	}
	return nil
}

// loadKey loads the KEK of a generation. The first one is made here, and made
// again if a crash came before it, as long as no copy holds a tree.
func (v *Vault) loadKey(number uint64) (cipher.AEAD, []string, error) {
	aead, notes, err := v.keys.load(number)
	if !errors.Is(err, ErrKey) || number != 1 {
		return aead, notes, err
	}
	for _, c := range v.copies {
		data, readErr := os.ReadFile(c.path(genName(1)))
		if readErr != nil || !bytes.Equal(data, header(1)) {
			return nil, nil, err
		}
	}
	if some, anyErr := v.keys.any(); some || anyErr != nil {
		return nil, nil, errors.Join(err, anyErr)
	}
	aead, err = v.keys.make(1, v.random)
	return aead, nil, err
}

// best returns the readable copy of a generation that holds most trees, cut to
// its last whole record. It returns ErrCorrupt, wrapped, if none is readable.
func (v *Vault) best(number uint64, aead cipher.AEAD) (*generation, []byte, error) {
	var best *generation
	var bestData []byte
	var failed error
	for _, c := range v.copies {
		data, err := os.ReadFile(c.path(genName(number)))
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		g, err := scan(data, number, aead)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("copy %s: %w", c.dir, err))
			continue
		}
		if best == nil || g.size > best.size {
			best, bestData = g, data[:g.size]
		}
	}
	if best == nil {
		return nil, nil, fmt.Errorf("no readable copy of generation %d: %w: %w", number, ErrCorrupt, failed)
	}
	return best, bestData, nil
}

// mend makes every copy's file of the generation equal to data.
func (v *Vault) mend(gen *generation, data []byte) error {
	for _, c := range v.copies {
		path := c.path(genName(gen.number))
		now, err := os.ReadFile(path)
		if err == nil && bytes.Equal(now, data) {
			continue
		}
		why := "differed"
		if errors.Is(err, fs.ErrNotExist) {
			why = "was missing"
		}
		if err := c.disk.replace(path, data); err != nil {
			return fmt.Errorf("rebuilding copy: %w", err)
		}
		v.mended = append(v.mended, fmt.Sprintf("%s %s: rebuilt from another copy", path, why))
	}
	return nil
}

// settle makes gen, which every copy holds, the only generation: pointers,
// memory, then the destruction of every other KEK, then of other files.
func (v *Vault) settle(gen *generation) error {
	for _, c := range v.copies {
		if err := c.point(pointer{gen.number, v.fence}); err != nil {
			return err
		}
	}
	v.mu.Lock()
	v.cache.wipe()
	v.gen = gen
	v.mu.Unlock()
	if err := v.keys.destroyOthers(gen.number); err != nil {
		return err
	}
	for _, c := range v.copies {
		if err := c.dropOthers(gen.number); err != nil {
			return err
		}
	}
	return nil
}
