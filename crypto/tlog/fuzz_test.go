package tlog

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"slices"
	"testing"
	"testing/fstest"

	"golang.org/x/mod/sumdb/note"

	"chancery/crypto/fuzztest"
)

// FuzzOpenNote signs what it is given too, so that the checkpoint behind the
// signature is reached.
func FuzzOpenNote(f *testing.F) {
	fuzztest.Seed(f, "checkpoints.json")
	k := ed25519.NewKeyFromSeed(make([]byte, 32))
	v, err := NewVerifier(origin, k.Public().(ed25519.PublicKey))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		fuzztest.Bounded(t, len(msg), func() {
			n, err := OpenNote(msg, v)
			if err == nil && len(n.Signers) == 0 || err != nil && !errors.Is(err, ErrNote) {
				t.Errorf("opened %+v, %v", n, err)
			}
		})
		signed, err := note.Sign(&note.Note{Text: string(msg)}, fixedSigner{v, k})
		if err != nil {
			return
		}
		c, _, err := OpenCheckpoint(signed, origin, v)
		if err != nil {
			return
		}
		if text, _ := c.MarshalText(); !bytes.Equal(text, msg) {
			t.Errorf("took %q as %q", msg, text)
		}
	})
}

type fixedSigner struct {
	Verifier
	k ed25519.PrivateKey
}

func (s fixedSigner) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.k, msg), nil }

func FuzzCheckpoint(f *testing.F) {
	fuzztest.Seed(f, "checkpoints.json")
	f.Add([]byte("o\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var c Checkpoint
		if c.UnmarshalText(text) != nil {
			return
		}
		if again, err := c.MarshalText(); err != nil || !bytes.Equal(again, text) {
			t.Errorf("took %q as %q", text, again)
		}
	})
}

func FuzzTilePath(f *testing.F) {
	for _, path := range []string{"tile/0/000", "tile/0/x001/234", "tile/1/000.p/1", "tile/0/000.p/256", "tile/8/0/000", "tile/-1/000", ""} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if tile, err := ParseTilePath(path); err == nil && (tile.Path() != path || tile.W < 1 || tile.W > tileWidth || tile.N < 0) {
			t.Errorf("took %q as %+v", path, tile)
		}
	})
}

// FuzzTiles puts other bytes in the place of one tile.
func FuzzTiles(f *testing.F) {
	const size = 300
	var stored MemoryHashes
	for i := range int64(size) {
		if err := stored.Append(i, LeafHash([]byte{byte(i)})); err != nil {
			f.Fatal(err)
		}
	}
	root, err := TreeRoot(size, stored)
	if err != nil {
		f.Fatal(err)
	}
	good := fstest.MapFS{}
	tiles := Tiles(size)
	for i, tile := range tiles {
		data, err := TileData(tile, stored)
		if err != nil {
			f.Fatal(err)
		}
		good[tile.Path()] = &fstest.MapFile{Data: data}
		f.Add(uint8(i), data)
		f.Add(uint8(i), data[32:])
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		files, path := fstest.MapFS{}, tiles[int(which)%len(tiles)].Path()
		for p, file := range good {
			files[p] = file
		}
		files[path] = &fstest.MapFile{Data: data}
		err := VerifyTiles(files, Checkpoint{Origin: origin, Size: size, Root: root}, 0, size, func(int64, Hash) error { return nil })
		if same := bytes.Equal(data, good[path].Data); same != (err == nil) || err != nil && !errors.Is(err, ErrTile) {
			t.Errorf("%s of %d bytes: %v", path, len(data), err)
		}
	})
}

// FuzzProofs takes no proof but the one that there is.
func FuzzProofs(f *testing.F) {
	const n = 21
	leaves := numbered(n)
	root := Root(leaves)
	for i := range int64(n) {
		proof, err := Prove(leaves, i)
		if err != nil {
			f.Fatal(err)
		}
		prefix, err := ProvePrefix(leaves, i+1)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(i, joined(proof))
		f.Add(i, joined(prefix))
	}
	f.Fuzz(func(t *testing.T, i int64, raw []byte) {
		var proof []Hash
		for part := range slices.Chunk(raw, 32) {
			proof = append(proof, Hash(append(part[:len(part):len(part)], make([]byte, 32-len(part))...)))
		}
		at := (i%n + n) % n
		want, _ := Prove(leaves, at)
		if err := Verify(root, n, at, leaves[at], proof); (err == nil) != slices.Equal(proof, want) {
			t.Errorf("leaf %d: %v", at, err)
		}
		prefix, _ := ProvePrefix(leaves, at+1)
		if err := VerifyConsistency(at+1, Root(leaves[:at+1]), n, root, proof); (err == nil) != slices.Equal(proof, prefix) {
			t.Errorf("from %d: %v", at+1, err)
		}
	})
}

func joined(hashes []Hash) (b []byte) {
	for _, h := range hashes {
		b = append(b, h[:]...)
	}
	return b
}
