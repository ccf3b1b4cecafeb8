package seal

import (
	"crypto/sha256"
	"errors"
	"testing"

	"chancery/crypto/envelope"
)

// fill gives 32 bytes that depend on a name only, for repeatable tests.
func fill(name string) [32]byte { return sha256.Sum256([]byte("seal test " + name)) }

func testDevice(t testing.TB, name string) *SigningKey {
	t.Helper()
	seed := fill(name)
	k, err := SigningKeyFromSeed(seed[:])
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func testIdentity(t testing.TB, s envelope.Suite, name string) *Identity {
	t.Helper()
	seed := fill(name)
	id, err := IdentityFromSeed(s, seed[:])
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// testEpoch is epoch 3 of a channel; its seed is fill("seed").
func testEpoch() Epoch {
	e := Epoch{
		Org: envelope.OrgID(fill("org")), Channel: envelope.ChannelID(fill("channel")),
		N: 3, Link: envelope.Hash(fill("link")),
	}
	e.Commit = SeedCommit(e.Channel, e.N, Seed(fill("seed")))
	return e
}

func testKey() EpochKey { return Seed(fill("seed")).Key(testEpoch()) }

func testHeader(e Epoch, device *SigningKey) envelope.Header {
	return envelope.Header{
		Version: envelope.Version, Org: e.Org, Channel: e.Channel, Epoch: e.N, EpochLink: e.Link,
		User: envelope.UserID(fill("user")), Device: device.ID(), DeviceSeq: 4,
		DevicePrev: envelope.Hash(fill("prev")), Void: []uint64{3},
		Seen: envelope.Ref{Position: 9, Hash: envelope.Hash(fill("seen"))},
		Time: 1_790_000_000_000_000, ID: envelope.MessageID{1, 2, 3}, Kind: envelope.Post,
		Mentions: []envelope.UserID{envelope.UserID(fill("mention"))},
		Attachments: []envelope.Attachment{
			{ID: envelope.BlobID{7}, Size: 33, Root: envelope.Hash(fill("root"))},
		},
	}
}

func testBody() envelope.Body {
	key := fill("file")
	return envelope.Body{
		Text:  "Grüße aus dem Handelsraum",
		Files: []envelope.File{{Name: "a.txt", Type: "text/plain", Size: 5, Key: key[:]}},
	}
}

func testMessage(t testing.TB) (*envelope.Entry, [32]byte) {
	t.Helper()
	device := testDevice(t, "device")
	e, salt, err := Seal(testKey(), testHeader(testEpoch(), device), testBody(), device)
	if err != nil {
		t.Fatal(err)
	}
	return e, salt
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}
