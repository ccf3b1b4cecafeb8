package archive_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"chancery/compliance/archive"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/vectors"
)

// openingsVector is an openings file and what its reader knows of it.
type openingsVector struct {
	Name     string          `json:"name"`
	Kind     string          `json:"kind"`
	Archive  vectors.Hex     `json:"archive"`
	Commit   vectors.Hex     `json:"commit"` // that archive.json has
	Key      vectors.Hex     `json:"key"`    // from the slip
	File     vectors.Hex     `json:"file"`
	Openings []openingVector `json:"openings,omitempty"`
	Want     string          `json:"want"`
}

type openingVector struct {
	Channel   vectors.Hex `json:"channel"`
	Position  uint64      `json:"position"`
	Entry     vectors.Hex `json:"entry"`
	Secret    vectors.Hex `json:"secret"`
	Exception string      `json:"exception,omitempty"`
}

func id(name string) envelope.Hash { return sha256.Sum256([]byte("openings " + name)) }

func opening(channel byte, position uint64) archive.Opening {
	x := id(fmt.Sprint("secret ", channel, position))
	return archive.Opening{Channel: envelope.ChannelID{channel}, Position: position, Entry: id(fmt.Sprint("entry ", channel, position)), Secret: x[:]}
}

// openingsFile writes a file a second time, as archive.md says, with fixed nonces.
type openingsFile struct {
	*testing.T
	archive, key envelope.Hash
	bytes.Buffer
}

func (f *openingsFile) frame(b []byte) {
	f.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b))))
	f.Write(b)
}

func (f *openingsFile) header(version uint, of, commit envelope.Hash) {
	f.frame(envelope.Marshal([]any{version, of, commit}))
}

func (f *openingsFile) chunk(i uint64, last bool, plain []byte) {
	block, err := aes.NewCipher(f.key[:])
	if err != nil {
		f.Fatal(err)
	}
	var gcm cipher.AEAD
	fips140.WithoutEnforcement(func() { gcm, err = cipher.NewGCM(block) }) // a fixed nonce, for a vector
	if err != nil {
		f.Fatal(err)
	}
	nonce := id(fmt.Sprint("nonce ", i, last))
	f.frame(gcm.Seal(nonce[:12:12], nonce[:12], plain, envelope.Frame("openings-chunk", f.archive, i, last)))
}

func openingsVectors(t *testing.T) (list []openingsVector) {
	of, key := id("archive"), id("key")
	commit := envelope.Sum("archive-key", of, key)
	add := func(name, want string, openings []archive.Opening, write func(f *openingsFile)) {
		f := openingsFile{T: t, archive: of, key: key}
		write(&f)
		v := openingsVector{Name: name, Kind: "openings", Archive: of[:], Commit: commit[:], Key: key[:], File: f.Bytes(), Want: want}
		for _, o := range openings {
			v.Openings = append(v.Openings, openingVector{o.Channel[:], o.Position, o.Entry[:], o.Secret, string(o.Exception)})
		}
		list = append(list, v)
	}
	head := func(f *openingsFile) { f.header(1, of, commit) }
	bad := func(name string, write func(f *openingsFile)) { add(name, "bad_openings", nil, write) }
	of1 := func(name string, openings ...archive.Opening) {
		bad(name, func(f *openingsFile) { head(f); f.chunk(0, true, envelope.Marshal(openings)) })
	}
	a, b, c := opening(1, 5), opening(1, 9), opening(2, 3)
	b.Exception = envelope.Undecryptable
	two := func(f *openingsFile) {
		f.chunk(0, false, envelope.Marshal([]archive.Opening{a, b}))
		f.chunk(1, true, envelope.Marshal([]archive.Opening{c}))
	}
	add("three in two chunks", "ok", []archive.Opening{a, b, c}, func(f *openingsFile) { head(f); two(f) })
	add("none", "ok", nil, func(f *openingsFile) { head(f); f.chunk(0, true, envelope.Marshal([]archive.Opening{})) })
	add("an empty last chunk", "ok", []archive.Opening{a}, func(f *openingsFile) {
		head(f)
		f.chunk(0, false, envelope.Marshal([]archive.Opening{a}))
		f.chunk(1, true, []byte{0x80})
	})
	bad("nothing", func(*openingsFile) {})
	bad("no header", two)
	bad("no chunk", head)
	bad("no last chunk", func(f *openingsFile) { head(f); f.chunk(0, false, envelope.Marshal([]archive.Opening{a})) })
	bad("another version", func(f *openingsFile) { f.header(2, of, commit); two(f) })
	bad("of another archive", func(f *openingsFile) { f.header(1, id("another"), commit); two(f) })
	bad("of another commitment", func(f *openingsFile) { f.header(1, of, id("another")); two(f) })
	bad("sealed for another archive", func(f *openingsFile) { head(f); f.archive = id("another"); two(f) })
	bad("under another key", func(f *openingsFile) { head(f); f.key = id("another"); two(f) })
	bad("first chunk missing", func(f *openingsFile) { head(f); f.chunk(1, true, envelope.Marshal([]archive.Opening{c})) })
	bad("chunks exchanged", func(f *openingsFile) {
		head(f)
		f.chunk(1, true, envelope.Marshal([]archive.Opening{c}))
		f.chunk(0, false, envelope.Marshal([]archive.Opening{a}))
	})
	bad("a chunk after the last", func(f *openingsFile) { head(f); f.chunk(0, true, []byte{0x80}); f.chunk(1, true, []byte{0x80}) })
	bad("a byte after", func(f *openingsFile) { head(f); two(f); f.WriteByte(0) })
	bad("a byte missing", func(f *openingsFile) { head(f); two(f); f.Truncate(f.Len() - 1) })
	bad("longer than a chunk may be", func(f *openingsFile) { head(f); f.frame(make([]byte, 131_073)) })
	bad("header not canonical", func(f *openingsFile) {
		f.frame(append([]byte{0x98, 3}, envelope.Marshal([]any{1, of, commit})[1:]...))
		two(f)
	})
	bad("chunk not canonical", func(f *openingsFile) {
		head(f)
		f.chunk(0, true, append([]byte{0x98, 1}, envelope.Marshal([]archive.Opening{a})[1:]...))
	})
	of1("positions falling", b, a)
	of1("a position twice", a, a)
	of1("channels falling", c, a)
	short := opening(1, 5)
	short.Secret = short.Secret[1:]
	of1("a secret of 31 bytes", short)
	bad("513 in a chunk", func(f *openingsFile) { head(f); f.chunk(0, true, envelope.Marshal(many(513))) })
	bad("falling from chunk to chunk", func(f *openingsFile) {
		head(f)
		f.chunk(0, false, envelope.Marshal([]archive.Opening{c}))
		f.chunk(1, true, envelope.Marshal([]archive.Opening{a}))
	})
	return list
}

func many(n uint64) (list []archive.Opening) {
	for i := range n {
		o := opening(1, i+1)
		o.Secret = o.Entry[:]
		list = append(list, o)
	}
	return list
}

func TestOpeningsVectors(t *testing.T) {
	t.Parallel()
	const about = "openings files (archive.md): what a reader of the archive makes of a file, with the data key and the commitment to it"
	for _, v := range vectors.Keep(t, "openings.json", about, openingsVectors(t)) {
		key := seal.DataKey(v.Key)
		if sum := archive.KeyCommit(envelope.Hash(v.Archive), v.Key); !bytes.Equal(sum[:], v.Commit) {
			t.Errorf("%s: another commitment", v.Name)
		}
		var got []openingVector
		err := archive.ReadOpenings(bytes.NewReader(v.File), envelope.Hash(v.Archive), envelope.Hash(v.Commit),
			func(aad, sealed []byte) ([]byte, error) { return seal.OpenBytes(key, aad, sealed) },
			func(o archive.Opening) error {
				got = append(got, openingVector{o.Channel[:], o.Position, o.Entry[:], o.Secret, string(o.Exception)})
				return nil
			})
		if (err == nil) != (v.Want == "ok") || err != nil && !errors.Is(err, archive.ErrOpenings) {
			t.Errorf("%s: %v, want %s", v.Name, err, v.Want)
		}
		same := func(a, b openingVector) bool { return fmt.Sprint(a) == fmt.Sprint(b) }
		if err == nil && !slices.EqualFunc(got, v.Openings, same) {
			t.Errorf("%s: other openings", v.Name)
		}
	}
}
