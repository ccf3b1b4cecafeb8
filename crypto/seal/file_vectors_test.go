package seal

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/piece"
	"chancery/crypto/tlog"
	"chancery/crypto/vectors"
)

// fileVector is a sealed file as a message names it, or the size of one alone.
type fileVector struct {
	Name   string      `json:"name"`
	Kind   string      `json:"kind"` // file, layout
	ID     vectors.Hex `json:"id,omitempty"`
	Key    vectors.Hex `json:"key,omitempty"`
	Size   uint64      `json:"size"` // that the header signs
	Root   vectors.Hex `json:"root,omitempty"`
	Sealed vectors.Hex `json:"sealed,omitempty"`
	Plain  vectors.Hex `json:"plain,omitempty"`  // of a file that opens
	Chunks uint64      `json:"chunks,omitempty"` // of a layout that is one
	Tail   uint64      `json:"tail,omitempty"`   // sealed bytes of its last chunk
	Want   string      `json:"want"`
}

// chunk seals one chunk as messages.md says, with a nonce that its place fixes.
func chunk(t *testing.T, key [32]byte, id envelope.BlobID, i uint64, last bool, plain []byte) []byte {
	t.Helper()
	gcm := plainGCM(t, key[:])
	nonce := fill(fmt.Sprint("chunk ", i, last))
	return gcm.Seal(nonce[:12:12], nonce[:12], plain, envelope.Frame("chunk", id, i, last))
}

func rootOf(chunks ...[]byte) []byte {
	root := tlog.Root(chunks)
	return root[:]
}

func newFileVector(name string, plain []byte, chunks ...[]byte) fileVector {
	id, key, sealed := envelope.BlobID{1, 2}, fill("file"), slices.Concat(chunks...)
	return fileVector{Name: name, Kind: "file", ID: id[:], Key: key[:], Size: uint64(len(sealed)), Root: rootOf(chunks...), Sealed: sealed, Plain: plain, Want: "ok"}
}

func fileVectors(t *testing.T) []fileVector {
	id, key, text := envelope.BlobID{1, 2}, fill("file"), []byte("minutes of the meeting")
	whole := bytes.Repeat([]byte{7}, ChunkSize)
	only := chunk(t, key, id, 0, true, text)
	first, second := chunk(t, key, id, 0, false, whole), chunk(t, key, id, 1, true, text)
	good := newFileVector("one chunk", text, only)
	list := []fileVector{
		good,
		newFileVector("empty", nil, chunk(t, key, id, 0, true, nil)),
		newFileVector("a full chunk", whole, chunk(t, key, id, 0, true, whole)),
		newFileVector("two chunks", slices.Concat(whole, text), first, second),
	}
	bad := func(name string, chunks ...[]byte) {
		v := newFileVector(name, nil, chunks...)
		v.Want = "bad_file"
		list = append(list, v)
	}
	bad("its last chunk cut off", first)
	bad("its last chunk alone", second)
	bad("chunks exchanged", second, first)
	bad("not marked as the last", chunk(t, key, id, 0, false, text))
	bad("of a higher index", chunk(t, key, id, 1, true, text))
	bad("an empty chunk at the end", first, chunk(t, key, id, 1, true, nil))
	bad("two short chunks", chunk(t, key, id, 0, false, text), chunk(t, key, id, 1, true, text))
	bad("under another key", chunk(t, fill("other"), id, 0, true, text))
	bad("under another id", chunk(t, key, envelope.BlobID{1, 3}, 0, true, text))
	bad("nothing")
	return append(append(list, changedFiles(good)...), layoutVectors()...)
}

// changedFiles differ from a good one in what the header says, or on the way.
func changedFiles(good fileVector) (list []fileVector) {
	edit := func(name string, change func(v *fileVector)) {
		v := good
		v.ID, v.Key, v.Root, v.Sealed = bytes.Clone(v.ID), bytes.Clone(v.Key), bytes.Clone(v.Root), bytes.Clone(v.Sealed)
		change(&v)
		v.Name, v.Want, v.Plain = name, "bad_file", nil
		list = append(list, v)
	}
	edit("the reader's id changed", func(v *fileVector) { v.ID[15] ^= 1 })
	edit("the reader's key changed", func(v *fileVector) { v.Key[0] ^= 1 })
	edit("the root changed", func(v *fileVector) { v.Root[31] ^= 1 })
	edit("the root of the plain bytes", func(v *fileVector) { v.Root = rootOf([]byte("minutes of the meeting")) })
	edit("the size one less", func(v *fileVector) { v.Size-- })
	edit("the size one more", func(v *fileVector) { v.Size++ })
	edit("a byte after", func(v *fileVector) { v.Sealed = append(v.Sealed, 0) })
	edit("a byte missing", func(v *fileVector) { v.Sealed = v.Sealed[:len(v.Sealed)-1] })
	edit("the nonce changed", func(v *fileVector) { v.Sealed[0] ^= 1 })
	edit("the text changed", func(v *fileVector) { v.Sealed[12] ^= 1 })
	edit("the tag changed", func(v *fileVector) { v.Sealed[len(v.Sealed)-1] ^= 1 })
	return list
}

// layoutVectors are sizes that a header may say, and may not.
func layoutVectors() (list []fileVector) {
	add := func(size, chunks, tail uint64) {
		v := fileVector{Name: fmt.Sprintf("%d bytes", size), Kind: "layout", Size: size, Chunks: chunks, Tail: tail, Want: "ok"}
		if chunks == 0 {
			v.Want = "bad_file"
		}
		list = append(list, v)
	}
	const full, most = 65564, 163840 * 65564 // a whole sealed chunk, 10 GiB of them
	for _, size := range []uint64{0, 1, 27, full + 1, full + 27, full + 28, 2*full + 28, most + 1, most + 29, 1 << 63, 1<<64 - 1} {
		add(size, 0, 0)
	}
	add(28, 1, 28)
	add(29, 1, 29)
	add(full, 1, full)
	add(full+29, 2, 29)
	add(2*full, 2, full)
	add(2*full+29, 3, 29)
	add(most-full+29, 163840, 29)
	add(most, 163840, full)
	return list
}

func TestFileVectors(t *testing.T) {
	t.Parallel()
	const about = "sealed files (messages.md): what a reader of id, key, size and root makes of the sealed bytes; layout: the chunks of a size alone"
	for _, v := range vectors.Keep(t, "files.json", about, fileVectors(t)) {
		var err error
		var plain bytes.Buffer
		if v.Kind == "file" {
			err = OpenFile(&plain, bytes.NewReader(v.Sealed), envelope.BlobID(v.ID), DataKey(v.Key), v.Size, envelope.Hash(v.Root))
		} else {
			var f piece.File
			if f, err = piece.NewFile(v.Size, envelope.Hash{}); err == nil && (f.Chunks() != v.Chunks || v.Size-(v.Chunks-1)*sealedChunk != v.Tail) {
				t.Errorf("%s: %d chunks", v.Name, f.Chunks())
			}
		}
		if (err == nil) != (v.Want == "ok") || err != nil && !errors.Is(err, ErrFile) && !errors.Is(err, piece.ErrSize) {
			t.Errorf("%s: %v, want %s", v.Name, err, v.Want)
		}
		if err == nil && !bytes.Equal(plain.Bytes(), v.Plain) {
			t.Errorf("%s: another file", v.Name)
		}
	}
}
