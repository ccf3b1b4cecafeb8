package chain

import (
	"bytes"
	"fmt"
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
	"chancery/crypto/vectors"
)

type recipientVector struct {
	Kind       uint8       `json:"kind"` // 1 member, 2 recorder
	ID         vectors.Hex `json:"id"`
	Generation uint64      `json:"generation"`
	Public     vectors.Hex `json:"public"`
	Wrap       vectors.Hex `json:"wrap"` // SHA-256 of the wrap
}

type rootVector struct {
	Name        string            `json:"name"`
	Kind        string            `json:"kind"`
	Recipients  []recipientVector `json:"recipients"`
	MembersRoot vectors.Hex       `json:"members_root"`
	WrapsRoot   vectors.Hex       `json:"wraps_root"`
}

// epochRoots writes both roots a second time, leaf by leaf.
func epochRoots(n int) rootVector {
	v := rootVector{Name: fmt.Sprintf("%d members and a recorder", n), Kind: "epoch roots"}
	var members, wraps [][]byte
	for i := range n + 1 {
		r := recipientVector{Kind: 1, ID: bytes.Repeat([]byte{byte(i + 1)}, 32), Generation: 1, Public: fmt.Appendf(nil, "recipient %d", i)}
		if i == n {
			r.Kind, r.Generation = 2, 0
		}
		sum := envelope.SumBytes(r.Public)
		r.Wrap = sum[:]
		v.Recipients = append(v.Recipients, r)
		members = append(members, envelope.Frame("recipient-leaf", r.Kind, []byte(r.ID), r.Generation, []byte(r.Public)))
		wraps = append(wraps, envelope.Frame("wrap-leaf", r.Kind, []byte(r.ID), r.Generation, []byte(r.Public), []byte(r.Wrap)))
	}
	a, b := tlog.Root(members), tlog.Root(wraps)
	v.MembersRoot, v.WrapsRoot = a[:], b[:]
	return v
}

func TestRootVectors(t *testing.T) {
	t.Parallel()
	cases := []rootVector{epochRoots(1), epochRoots(2), epochRoots(3), epochRoots(7)}
	for _, v := range vectors.Keep(t, "roots.json", "roots of an epoch (channel.md): recipients in their order, and the hashes of their wraps", cases) {
		var recipients []envelope.Recipient
		var wraps []envelope.Hash
		for _, r := range v.Recipients {
			recipients = append(recipients, envelope.Recipient{Kind: envelope.RecipientKind(r.Kind), ID: envelope.Hash(r.ID), Generation: r.Generation, Public: r.Public})
			wraps = append(wraps, envelope.Hash(r.Wrap))
		}
		members, all := MembersRoot(recipients), WrapsRoot(recipients, wraps)
		if !bytes.Equal(members[:], v.MembersRoot) || !bytes.Equal(all[:], v.WrapsRoot) {
			t.Errorf("%s: another root", v.Name)
		}
	}
}
