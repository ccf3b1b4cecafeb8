package vault

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"

	"chancery/crypto/keytree"
)

// A generation file is
//
//	"CVG1" ‖ generation (8) ‖ records
//	record = channel (32) ‖ fence (8) ‖ length (4) ‖ sealed tree (length)
//
// with big-endian numbers. A sealed tree is nonce (12) ‖ ciphertext ‖ tag (16) by
// AES-256-GCM under the generation's KEK, with treeLabel ‖ generation (8) ‖ the
// record's first 44 bytes as associated data.
const (
	genMagic   = "CVG1"
	genHeader  = len(genMagic) + 8
	recHeader  = 32 + 8 + 4
	treeLabel  = "chancery/v1/vault/tree"
	newRecord  = recHeader + 28 + 4 + 4 + 38 // a tree that was never punctured
	genPattern = "generation-"
)

// Channel is a channel id, 32 bytes.
type Channel = [32]byte

// generation is what is known of the current generation file.
type generation struct {
	number uint64
	aead   cipher.AEAD
	size   int64
	order  []Channel
	trees  map[Channel]span
}

// span is the place of a record in the file.
type span struct{ offset, length int64 }

func genName(number uint64) string { return fmt.Sprintf("%s%d", genPattern, number) }

func header(number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(genMagic), number)
}

func (g *generation) add(channel Channel, length int) {
	g.trees[channel] = span{g.size, int64(length)}
	g.order = append(g.order, channel)
	g.size += int64(length)
}

// sealTree returns the record of a tree.
func (g *generation) sealTree(channel Channel, fence uint64, tree *keytree.Tree) ([]byte, error) {
	plain, err := tree.MarshalBinary()
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	rec := append(make([]byte, 0, recHeader+len(plain)+g.aead.Overhead()), channel[:]...)
	rec = binary.BigEndian.AppendUint64(rec, fence)
	rec = binary.BigEndian.AppendUint32(rec, uint32(len(plain)+g.aead.Overhead()))
	return g.aead.Seal(rec, nil, plain, g.treeData(rec)), nil
}

// openTree reads a whole record of sealTree.
func (g *generation) openTree(rec []byte) (*keytree.Tree, error) {
	plain, err := g.aead.Open(nil, nil, rec[recHeader:], g.treeData(rec))
	if err != nil {
		return nil, fmt.Errorf("opening tree: %w", ErrCorrupt)
	}
	defer clear(plain)
	tree := new(keytree.Tree)
	if err := tree.UnmarshalBinary(plain); err != nil {
		return nil, fmt.Errorf("opening tree: %w", err)
	}
	return tree, nil
}

func (g *generation) treeData(rec []byte) []byte {
	data := binary.BigEndian.AppendUint64([]byte(treeLabel), g.number)
	return append(data, rec[:recHeader]...)
}

// scan reads a generation file, opens every tree, and returns what it holds. A
// last record that was cut short while its channel was being made is left out,
// and the size is then less than the file's. Other damage is ErrCorrupt, wrapped.
func scan(data []byte, number uint64, aead cipher.AEAD) (*generation, error) {
	g := &generation{number: number, aead: aead, size: int64(genHeader), trees: make(map[Channel]span)}
	if len(data) < genHeader || string(data[:genHeader]) != string(header(number)) {
		return nil, fmt.Errorf("reading generation %d: no header: %w", number, ErrCorrupt)
	}
	for rest := data[genHeader:]; len(rest) > 0; {
		n, err := g.next(rest)
		if err != nil {
			// Only a new tree is ever appended, so a longer tail is no torn write
			// but damage, and dropping it would drop trees.
			if len(rest) <= newRecord {
				return g, nil
			}
			return nil, fmt.Errorf("reading generation %d at byte %d: %w", number, g.size, err)
		}
		rest = rest[n:]
	}
	return g, nil
}

// next takes the record at the start of data and returns its length.
func (g *generation) next(data []byte) (int, error) {
	if len(data) < recHeader {
		return 0, ErrCorrupt
	}
	length := int64(recHeader) + int64(binary.BigEndian.Uint32(data[recHeader-4:]))
	channel := Channel(data)
	if _, twice := g.trees[channel]; twice || length > int64(len(data)) {
		return 0, ErrCorrupt
	}
	tree, err := g.openTree(data[:length])
	if err != nil {
		return 0, err
	}
	tree.Wipe()
	g.add(channel, int(length))
	return int(length), nil
}
