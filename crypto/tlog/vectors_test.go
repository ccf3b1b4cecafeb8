package tlog

import (
	"bytes"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"chancery/crypto/p384"
	"chancery/crypto/vectors"
)

type proofVector struct {
	Name  string        `json:"name"`
	Kind  string        `json:"kind"` // root: of leaves 0 to size-1; consistency: of old_size and old_root in size and root
	Size  int64         `json:"size"`
	Root  vectors.Hex   `json:"root"`
	Old   int64         `json:"old_size,omitempty"`
	OldR  vectors.Hex   `json:"old_root,omitempty"`
	Proof []vectors.Hex `json:"proof,omitempty"`
	Want  string        `json:"want"`
}

// leaves are the data of a vector's leaves: the index as two bytes, big-endian.
func leaves(n int64) (list [][]byte) {
	for i := range n {
		list = append(list, []byte{byte(i >> 8), byte(i)})
	}
	return list
}

func proofVectors(t *testing.T) (list []proofVector) {
	t.Helper()
	for _, n := range []int64{0, 1, 2, 3, 7, 8, 255, 256, 257, 600} {
		root := Root(leaves(n))
		list = append(list, proofVector{Name: fmt.Sprintf("%d leaves", n), Kind: "root", Size: n, Root: root[:], Want: "ok"})
	}
	for _, x := range [][2]int64{{1, 2}, {3, 7}, {4, 7}, {6, 8}, {8, 8}, {255, 257}, {256, 600}} {
		proof, err := ProvePrefix(leaves(x[1]), x[0])
		if err != nil {
			t.Fatal(err)
		}
		old, root := Root(leaves(x[0])), Root(leaves(x[1]))
		good := proofVector{Name: fmt.Sprintf("%d in %d", x[0], x[1]), Kind: "consistency", Size: x[1], Root: root[:], Old: x[0], OldR: old[:], Want: "ok"}
		for _, h := range proof {
			good.Proof = append(good.Proof, h[:])
		}
		list = append(list, good)
		bad := func(name string, edit func(v *proofVector)) {
			v := good
			v.Proof, v.Root, v.OldR = slices.Clone(v.Proof), bytes.Clone(v.Root), bytes.Clone(v.OldR)
			edit(&v)
			v.Name, v.Want = v.Name+", "+name, "bad_proof"
			list = append(list, v)
		}
		bad("another root", func(v *proofVector) { v.Root[0] ^= 1 })
		bad("another old root", func(v *proofVector) { v.OldR[31] ^= 1 })
		bad("one hash more", func(v *proofVector) { v.Proof = append(v.Proof, v.Root) })
		if len(proof) > 0 {
			bad("one hash less", func(v *proofVector) { v.Proof = v.Proof[:len(v.Proof)-1] })
			bad("a hash changed", func(v *proofVector) { v.Proof[0] = bytes.Clone(v.Proof[0]); v.Proof[0][5] ^= 1 })
		}
	}
	return list
}

func TestProofVectors(t *testing.T) {
	t.Parallel()
	const about = "trees (encoding.md): leaf i is the two bytes of i, big-endian; roots, and consistency proofs of RFC 6962"
	for _, v := range vectors.Keep(t, "trees.json", about, proofVectors(t)) {
		if v.Kind == "root" {
			if root := Root(leaves(v.Size)); !bytes.Equal(root[:], v.Root) {
				t.Errorf("%s: another root", v.Name)
			}
			continue
		}
		var proof []Hash
		for _, h := range v.Proof {
			proof = append(proof, Hash(h))
		}
		err := VerifyConsistency(v.Old, Hash(v.OldR), v.Size, Hash(v.Root), proof)
		if (err == nil) != (v.Want == "ok") {
			t.Errorf("%s: %v, want %s", v.Name, err, v.Want)
		}
	}
}

type tileVector struct {
	Name  string                 `json:"name"`
	Kind  string                 `json:"kind"`
	Size  int64                  `json:"size"`
	Root  vectors.Hex            `json:"root"`
	From  int64                  `json:"from"`
	To    int64                  `json:"to"`
	Tiles map[string]vectors.Hex `json:"tiles"`
	Want  string                 `json:"want"`
}

func tileVectors(t *testing.T) (list []tileVector) {
	t.Helper()
	for _, x := range [][3]int64{{1, 0, 1}, {3, 1, 2}, {256, 0, 0}, {257, 256, 257}, {300, 299, 300}, {300, 300, 300}} {
		cp, files, _ := tileLog(t, x[0], RangeTiles(x[0], x[1], x[2]))
		good := tileVector{Name: fmt.Sprintf("[%d, %d) of %d", x[1], x[2], x[0]), Kind: "tiles", Size: x[0], Root: cp.Root[:], From: x[1], To: x[2], Tiles: map[string]vectors.Hex{}, Want: "ok"}
		var last string
		for path, file := range files {
			good.Tiles[path], last = file.Data, max(last, path)
		}
		list = append(list, good)
		bad := func(name string, edit func(b []byte) []byte) {
			v := good
			v.Tiles = map[string]vectors.Hex{}
			for path, b := range good.Tiles {
				v.Tiles[path] = bytes.Clone(b)
			}
			if v.Tiles[last] = edit(v.Tiles[last]); v.Tiles[last] == nil {
				delete(v.Tiles, last)
			}
			v.Name, v.Want = v.Name+", "+name, "bad_tile"
			list = append(list, v)
		}
		bad("a bit changed", func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
		bad("a tile cut", func(b []byte) []byte { return b[:len(b)-1] })
		bad("a tile missing", func([]byte) []byte { return nil })
	}
	return list
}

func TestTileVectors(t *testing.T) {
	t.Parallel()
	const about = "tiles of a range (log.md): leaf i is the hash of the three bytes of i, little-endian; the tiles give the root"
	for _, v := range vectors.Keep(t, "tiles.json", about, tileVectors(t)) {
		files := fstest.MapFS{}
		for path, b := range v.Tiles {
			files[path] = &fstest.MapFile{Data: b}
		}
		err := VerifyTiles(files, Checkpoint{Size: v.Size, Root: Hash(v.Root)}, v.From, v.To, func(int64, Hash) error { return nil })
		if (err == nil) != (v.Want == "ok") {
			t.Errorf("%s: %v, want %s", v.Name, err, v.Want)
		}
	}
}

type noteVector struct {
	Name   string      `json:"name"`
	Kind   string      `json:"kind"`
	Origin string      `json:"origin"`
	Key    vectors.Hex `json:"key"`
	Note   string      `json:"note"`
	Size   int64       `json:"size,omitempty"`
	Root   vectors.Hex `json:"root,omitempty"`
	Want   string      `json:"want"`
}

// signedText writes a note as the format page says.
func signedText(text, name string, k ed25519.PrivateKey) string {
	public := k.Public().(ed25519.PublicKey)
	hash := sha256.Sum256(slices.Concat([]byte(name), []byte("\n\x01"), public))
	return text + "\n— " + name + " " + base64.StdEncoding.EncodeToString(append(hash[:4], ed25519.Sign(k, []byte(text))...)) + "\n"
}

func noteVectors() (list []noteVector) {
	origin := "chancery/" + strings.Repeat("3", 64) + "/log"
	k, other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32)), ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, 32))
	root := Root(leaves(7))
	key := k.Public().(ed25519.PublicKey)
	b64 := base64.StdEncoding.EncodeToString(root[:])
	text := origin + "\n7\n" + b64 + "\n"
	good := signedText(text, origin, k)
	list = append(list, noteVector{"good", "checkpoint", origin, vectors.Hex(key), good, 7, root[:], "ok"})
	add := func(name, note string) {
		list = append(list, noteVector{Name: name, Kind: "checkpoint", Origin: origin, Key: vectors.Hex(key), Note: note, Want: "refused"})
	}
	sign := func(text string) string { return signedText(text, origin, k) }
	_, line, _ := strings.Cut(good, "\n\n")
	add("unsigned", text+"\n")
	add("by another key", signedText(text, origin, other))
	add("under another name", signedText(text, "other", k))
	add("of another origin", sign(strings.Replace(text, "/log", "/archive/daily", 1)))
	add("size changed", strings.Replace(good, "\n7\n", "\n8\n", 1))
	add("signature changed", good[:len(good)-8]+"AAAA"+good[len(good)-4:])
	add("signature twice", good+line)
	add("last newline gone", strings.TrimSuffix(good, "\n"))
	add("a line after", good+"x\n")
	add("leading zero", sign(strings.Replace(text, "\n7\n", "\n07\n", 1)))
	add("sign", sign(strings.Replace(text, "\n7\n", "\n+7\n", 1)))
	add("negative", sign(strings.Replace(text, "\n7\n", "\n-7\n", 1)))
	add("too large", sign(strings.Replace(text, "\n7\n", "\n9223372036854775808\n", 1)))
	add("extension line", sign(text+"more\n"))
	add("root missing", sign(origin+"\n7\n"))
	add("root cut", sign(origin+"\n7\n"+b64[:40]+"\n"))
	add("root with stray bits", sign(origin+"\n7\n"+strings.Replace(b64, b64[42:], stray(b64[42])+"=", 1)+"\n"))
	add("carriage returns", sign(strings.ReplaceAll(text, "\n", "\r\n")))
	add("hyphen for the dash", strings.Replace(good, "—", "-", 1))
	add("empty", "")
	return append(list, p384NoteVectors(origin, text, key, root)...)
}

// p384NoteVectors are notes of suite fips, whose signer has a P-384 key.
func p384NoteVectors(origin, text string, ed ed25519.PublicKey, root Hash) (list []noteVector) {
	k, other := p384Key("signer"), p384Key("another")
	key := k.Public()
	add := func(name, note, want string) {
		v := noteVector{Name: "P-384: " + name, Kind: "checkpoint", Origin: origin, Key: key, Note: note, Want: want}
		if want == "ok" {
			v.Size, v.Root = 7, root[:]
		}
		list = append(list, v)
	}
	signature := func(k *p384.Key) []byte {
		sig, err := k.Sign([]byte(text))
		if err != nil {
			panic(err)
		}
		return sig
	}
	line := func(kind string, key, sig []byte) string {
		hash := sha256.Sum256(slices.Concat([]byte(origin+"\n"+kind), key))
		return "— " + origin + " " + base64.StdEncoding.EncodeToString(slices.Concat(hash[:4], sig)) + "\n"
	}
	own, sig := "\xffchancery/v1/ecdsa-p384-sha384", signature(k)
	good := text + "\n" + line(own, key, sig)
	high := slices.Clone(sig)
	s := new(big.Int).SetBytes(sig[48:])
	s.Sub(elliptic.P384().Params().N, s).FillBytes(high[48:])
	add("good", good, "ok")
	add("by another key", text+"\n"+line(own, other.Public(), signature(other)), "refused")
	add("by another key, as ours", text+"\n"+line(own, key, signature(other)), "refused")
	add("s in the upper half", text+"\n"+line(own, key, high), "refused")
	add("signature cut", text+"\n"+line(own, key, sig[:95]), "refused")
	add("size changed", strings.Replace(good, "\n7\n", "\n8\n", 1), "refused")
	add("signature twice", good+line(own, key, sig), "refused")
	add("of the type of Ed25519", text+"\n"+line("\x01", key, sig), "refused")
	add("of a type of the same name without 0xff", text+"\n"+line(own[1:], key, sig), "refused")
	add("of another type", text+"\n"+line("\xffchancery/v1/ecdsa-p384-sha256", key, sig), "refused")
	add("key hash of an Ed25519 key", text+"\n"+line("\x01", ed, sig), "refused")
	return list
}

func p384Key(name string) *p384.Key {
	scalar := sha512.Sum384([]byte(name))
	k, err := p384.Parse(scalar[:])
	if err != nil {
		panic(err)
	}
	return k
}

// stray is the base64 digit next to c: it has another bit in the unused end.
func stray(c byte) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	return string(digits[strings.IndexByte(digits, c)^1])
}

func TestNoteVectors(t *testing.T) {
	t.Parallel()
	const about = "signed checkpoints (log.md): a note that a reader of origin opens, trusting key alone"
	for _, v := range vectors.Keep(t, "checkpoints.json", about, noteVectors()) {
		trusted, err := NewVerifier(v.Origin, v.Key)
		if err != nil {
			t.Fatal(err)
		}
		cp, _, err := OpenCheckpoint([]byte(v.Note), v.Origin, trusted)
		if known := errors.Is(err, ErrNote) || errors.Is(err, ErrCheckpoint); (err == nil) != (v.Want == "ok") || err != nil && !known {
			t.Errorf("%s: %v, want %s", v.Name, err, v.Want)
		}
		if err == nil && (cp.Size != v.Size || !bytes.Equal(cp.Root[:], v.Root)) {
			t.Errorf("%s: another state", v.Name)
		}
	}
}

type cosignatureVector struct {
	Name     string      `json:"name"`
	Kind     string      `json:"kind"`
	Cosigner string      `json:"cosigner"` // the name that its key has in notes
	Key      vectors.Hex `json:"key"`
	Text     string      `json:"text"` // of the checkpoint
	Line     string      `json:"line"`
	Time     int64       `json:"time,omitempty"`
	Want     string      `json:"want"`
}

// cosignedLine writes a cosignature as the format page says.
func cosignedLine(text, name string, at uint64, k ed25519.PrivateKey) string {
	hash := sha256.Sum256(slices.Concat([]byte(name), []byte("\n\x04"), k.Public().(ed25519.PublicKey)))
	signature := ed25519.Sign(k, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", at, text))
	raw := append(binary.BigEndian.AppendUint64(hash[:4:4], at), signature...)
	return "— " + name + " " + base64.StdEncoding.EncodeToString(raw) + "\n"
}

func cosignatureVectors() (list []cosignatureVector) {
	name := "chancery/" + strings.Repeat("3", 64) + "/cosigner/" + strings.Repeat("a", 64)
	k, other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, 32)), ed25519.NewKeyFromSeed(bytes.Repeat([]byte{4}, 32))
	root := Root(leaves(7))
	text := "chancery/" + strings.Repeat("3", 64) + "/log\n7\n" + base64.StdEncoding.EncodeToString(root[:]) + "\n"
	const at = 1_763_800_000
	add := func(what, line, want string) {
		list = append(list, cosignatureVector{what, "cosignature", name, vectors.Hex(k.Public().(ed25519.PublicKey)), text, line, 0, want})
	}
	good := cosignedLine(text, name, at, k)
	add("good", good, "ok")
	list[0].Time = at
	plain := signedText(text, name, k)
	add("without a time", strings.TrimPrefix(plain, text+"\n"), "refused")
	add("of another text", cosignedLine(strings.Replace(text, "\n7\n", "\n8\n", 1), name, at, k), "refused")
	add("by another key", cosignedLine(text, name, at, other), "refused")
	add("under another name", cosignedLine(text, name+"b", at, k), "refused")
	raw, _ := base64.StdEncoding.DecodeString(strings.Fields(good)[2])
	edit := func(what string, change func(b []byte) []byte) {
		b := change(bytes.Clone(raw))
		add(what, "— "+name+" "+base64.StdEncoding.EncodeToString(b)+"\n", "refused")
	}
	edit("another time", func(b []byte) []byte { b[11]++; return b })
	edit("another signature", func(b []byte) []byte { b[40] ^= 1; return b })
	edit("cut", func(b []byte) []byte { return b[:len(b)-1] })
	edit("longer", func(b []byte) []byte { return append(b, 0) })
	add("a time of 64 bits", cosignedLine(text, name, 1<<63, k), "refused")
	return list
}

func TestCosignatureVectors(t *testing.T) {
	t.Parallel()
	const about = "cosignatures (log.md): a line that a recorder or witness adds to the note of a checkpoint, trusting key alone"
	for _, v := range vectors.Keep(t, "cosignatures.json", about, cosignatureVectors()) {
		trusted, err := NewCosigner(v.Cosigner, v.Key)
		if err != nil {
			t.Fatal(err)
		}
		n, err := OpenNote([]byte(v.Text+"\n"+v.Line), trusted)
		if (err == nil) != (v.Want == "ok") || err != nil && !errors.Is(err, ErrNote) {
			t.Errorf("%s: %v, want %s", v.Name, err, v.Want)
		}
		if err == nil && !slices.Equal(n.Cosigned, []Cosignature{{v.Cosigner, v.Time}}) {
			t.Errorf("%s: cosigned %v", v.Name, n.Cosigned)
		}
		public, at := ed25519.PublicKey(v.Key), v.Time
		if own := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, 32)); err == nil &&
			v.Line != CosignatureLine(v.Cosigner, public, at, ed25519.Sign(own, Cosigned(v.Text, at))) {
			t.Errorf("%s: written otherwise", v.Name)
		}
	}
}
