package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// keyMagic starts a KEK file; 32 bytes follow.
const keyMagic = "CVK1"

const keySize = 32

// keyDirs are the directories of KEK files, one file per generation.
type keyDirs struct {
	disk disk
	dirs []string
}

func keyName(generation uint64) string { return fmt.Sprintf("kek-%d", generation) }

// make writes a new KEK for a generation to every directory. A leftover of an
// abandoned run is replaced: nothing that counts was ever sealed under it.
func (k keyDirs) make(generation uint64, random io.Reader) (cipher.AEAD, error) {
	file := make([]byte, len(keyMagic)+keySize)
	defer clear(file)
	copy(file, keyMagic)
	if _, err := io.ReadFull(random, file[len(keyMagic):]); err != nil {
		return nil, fmt.Errorf("making KEK %d: %w", generation, err)
	}
	for _, dir := range k.dirs {
		if err := k.disk.replace(filepath.Join(dir, keyName(generation)), file); err != nil {
			return nil, fmt.Errorf("writing KEK %d: %w", generation, err)
		}
	}
	return newAEAD(file[len(keyMagic):])
}

// load reads the KEK of a generation and puts it into directories that lack it.
// It returns ErrKey, wrapped, if no directory has it or two disagree.
func (k keyDirs) load(generation uint64) (cipher.AEAD, []string, error) {
	var file []byte
	var lacking []string
	for _, dir := range k.dirs {
		path := filepath.Join(dir, keyName(generation))
		got, err := readKey(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			lacking = append(lacking, path)
		case err != nil:
			return nil, nil, err
		case file != nil && string(file) != string(got):
			return nil, nil, fmt.Errorf("reading KEK %d: directories hold different keys: %w", generation, ErrKey)
		default:
			file = got
		}
	}
	if file == nil {
		return nil, nil, fmt.Errorf("reading KEK %d: not in %s: %w", generation, strings.Join(k.dirs, ", "), ErrKey)
	}
	defer clear(file)
	var notes []string
	for _, path := range lacking {
		if err := k.disk.replace(path, file); err != nil {
			return nil, nil, fmt.Errorf("writing KEK %d: %w", generation, err)
		}
		notes = append(notes, path+" was missing: copied from another key directory")
	}
	aead, err := newAEAD(file[len(keyMagic):])
	return aead, notes, err
}

func readKey(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading KEK: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("reading KEK %s: mode %v, want 0600: %w", path, info.Mode(), ErrKey)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading KEK: %w", err)
	}
	if len(file) != len(keyMagic)+keySize || string(file[:len(keyMagic)]) != keyMagic {
		return nil, fmt.Errorf("reading KEK %s: malformed: %w", path, ErrKey)
	}
	return file, nil
}

// any says whether some directory holds a KEK of any generation. One whose
// writing was cut short never sealed a thing and does not count.
func (k keyDirs) any() (bool, error) {
	for _, dir := range k.dirs {
		paths, err := filepath.Glob(filepath.Join(dir, "kek-*"))
		if err != nil {
			return false, err
		}
		for _, path := range paths {
			if !strings.HasSuffix(path, partial) {
				return true, nil
			}
		}
	}
	return false, nil
}

// destroyOthers destroys every KEK but that of one generation.
func (k keyDirs) destroyOthers(generation uint64) error {
	for _, dir := range k.dirs {
		if err := removeOthers(dir, keyName(generation), k.disk.destroy, "kek-"); err != nil {
			return fmt.Errorf("destroying old KEK: %w", err)
		}
	}
	return nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
