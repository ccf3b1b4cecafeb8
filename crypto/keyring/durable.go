package keyring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"chancery/crypto/seal"
)

// State that must be on disk before each message is sent lives in a file of two
// halves, written in turn. Overwriting the older half in place needs a single
// flush and no change of the directory; a half that a crash cut short does not
// open, and the other still holds the value before.
const (
	slotSuffix = ".slot"
	minHalf    = 4 << 10 // bytes, a page of most disks
	slotPrefix = 4       // length of the sealed bytes, big-endian
)

// slot is what is known of one file: the number of the newest value, which
// names its half by its lowest bit, and the size of a half.
type slot struct {
	seq  uint64
	half int
}

// PutDurable keeps value under name as Put does, at the cost of one flush. It is
// for small state that changes with each message; it has names of its own.
func (r *Ring) PutDurable(name string, value []byte) error {
	return r.with(name, "writing state", func() error {
		if len(value) > MaxItem {
			return fmt.Errorf("%d bytes, limit %d", len(value), MaxItem)
		}
		s, err := r.slot(name)
		if err != nil {
			return err
		}
		s.seq++
		if err := r.writeSlot(name, &s, value); err != nil {
			delete(r.slots, name) // what reached the disk is not known: look again
			return err
		}
		r.slots[name] = s
		return nil
	})
}

// GetDurable reads what PutDurable kept last. It fails with ErrNotFound or
// ErrDamaged.
func (r *Ring) GetDurable(name string) (value []byte, err error) {
	err = r.with(name, "reading state", func() error {
		s, v, err := r.readSlots(name)
		if err != nil {
			return err
		}
		r.slots[name], value = s, v
		return nil
	})
	return value, err
}

// slot finds where the next value goes; a name not yet used has no half.
func (r *Ring) slot(name string) (slot, error) {
	if s, ok := r.slots[name]; ok {
		return s, nil
	}
	s, _, err := r.readSlots(name)
	if errors.Is(err, ErrNotFound) {
		return slot{}, nil
	}
	return s, err
}

func (r *Ring) writeSlot(name string, s *slot, value []byte) error {
	sealed := seal.SealBytes(r.key("slot", name), nil, append(binary.BigEndian.AppendUint64(nil, s.seq), value...))
	record := append(binary.BigEndian.AppendUint32(nil, uint32(len(sealed))), sealed...)
	if len(record) > s.half {
		return r.growSlot(name, s, record)
	}
	f, err := os.OpenFile(r.path(name+slotSuffix), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(record, int64(s.half)*int64(s.seq&1))
	if err == nil {
		err = syncData(f)
	}
	return errors.Join(err, f.Close())
}

// growSlot replaces the file by one with larger halves.
func (r *Ring) growSlot(name string, s *slot, record []byte) error {
	for s.half = max(s.half, minHalf); s.half < len(record); s.half *= 2 {
	}
	b := make([]byte, 2*s.half)
	copy(b[s.half*int(s.seq&1):], record)
	return writeFile(r.dir, name+slotSuffix, b)
}

// readSlots takes the newer of the halves that open.
func (r *Ring) readSlots(name string) (newest slot, value []byte, err error) {
	b, err := readFile(r.path(name+slotSuffix), 4*MaxItem)
	if err != nil {
		return slot{}, nil, err
	}
	half := len(b) / 2
	for _, part := range [][]byte{b[:half], b[half:]} {
		if seq, v, ok := r.openHalf(name, part); ok && seq > newest.seq {
			newest, value = slot{seq, half}, v
		}
	}
	if newest.seq == 0 {
		return slot{}, nil, fmt.Errorf("%w: neither half opens", ErrDamaged)
	}
	return newest, value, nil
}

func (r *Ring) openHalf(name string, half []byte) (seq uint64, value []byte, ok bool) {
	if len(half) < slotPrefix {
		return 0, nil, false
	}
	n := binary.BigEndian.Uint32(half)
	if int64(n) > int64(len(half)-slotPrefix) {
		return 0, nil, false
	}
	plain, err := seal.OpenBytes(r.key("slot", name), nil, half[slotPrefix:slotPrefix+n])
	if err != nil || len(plain) < 8 {
		return 0, nil, false
	}
	return binary.BigEndian.Uint64(plain), plain[8:], true
}
