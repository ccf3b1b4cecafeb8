package approval_test

import (
	"errors"
	"testing"

	"chancery/crypto/approval"
	"chancery/crypto/envelope"
	"chancery/crypto/vectors"
)

// vector is one step of an approval. Kinds: transcript gives everything; reveal
// opens a commitment; proof checks one; ticket and code read a text.
type vector struct {
	Name       string      `json:"name"`
	Kind       string      `json:"kind"`
	Org        vectors.Hex `json:"org,omitempty"`
	User       vectors.Hex `json:"user,omitempty"`
	Device     string      `json:"device,omitempty"`
	Key        vectors.Hex `json:"key,omitempty"`
	Recipient  vectors.Hex `json:"recipient,omitempty"`
	Nonce      vectors.Hex `json:"nonce,omitempty"`
	Approver   vectors.Hex `json:"approver,omitempty"`
	Seq        uint64      `json:"seq,omitempty"`
	Head       vectors.Hex `json:"head,omitempty"`
	Answer     vectors.Hex `json:"answer,omitempty"`
	Claims     vectors.Hex `json:"claims,omitempty"`
	Commitment vectors.Hex `json:"commitment,omitempty"`
	Sum        vectors.Hex `json:"sum,omitempty"`
	Proof      vectors.Hex `json:"proof,omitempty"`
	First      string      `json:"first,omitempty"`
	Second     string      `json:"second,omitempty"`
	Text       string      `json:"text,omitempty"`
	Code       string      `json:"code,omitempty"`
	Want       string      `json:"want"`
}

// pick gives 32 bytes that nobody drew.
func pick(what string, n int) []byte {
	h := envelope.Sum("test-"+what, n)
	return h[:]
}

func whole(n int) vector {
	v := vector{
		Name: "whole", Kind: "transcript", Org: pick("org", n), User: pick("user", n), Device: "phone", Key: pick("key", n),
		Recipient: pick("recipient", n), Nonce: pick("nonce", n), Approver: pick("approver", n), Seq: uint64(n), Head: pick("head", n),
		Answer: pick("answer", n), Want: "ok",
	}
	t, claims := v.transcript(), v.claims()
	commitment, sum := t.Commitment(), t.Sum()
	first, second := t.Codes()
	v.Claims, v.Commitment, v.Sum, v.Proof, v.First, v.Second = claims[:], commitment[:], sum[:], t.Proof(), string(first), string(second)
	v.Text = t.Opening.Ticket().String()
	return v
}

func (v vector) claims() envelope.Hash {
	return approval.Claims{Name: v.Device, Key: v.Key, Recipient: v.Recipient}.Hash()
}

func (v vector) transcript() approval.Transcript {
	return approval.Transcript{
		Opening: approval.Opening{Org: envelope.OrgID(v.Org), User: envelope.UserID(v.User), Claims: v.claims(), Nonce: approval.Nonce(v.Nonce)},
		Answer:  approval.Answer{Approver: envelope.KeyID(v.Approver), Seq: v.Seq, Head: envelope.Hash(v.Head), Nonce: approval.Nonce(v.Answer)},
	}
}

func list() []vector {
	out := []vector{whole(1), whole(2), whole(1 << 40)}
	base := whole(3)
	for _, part := range []string{"", "org", "user", "device", "key", "recipient", "nonce"} {
		v := base
		v.Kind, v.Name, v.Want = "reveal", "another "+part, "bad_commitment"
		v.Approver, v.Seq, v.Head, v.Answer, v.Claims, v.Sum, v.Proof, v.First, v.Second, v.Text = nil, 0, nil, nil, nil, nil, nil, "", "", ""
		if part == "" {
			v.Name, v.Want = "as it was", "ok"
		}
		out = append(out, v.altered(part))
	}
	for _, part := range []string{"", "user", "nonce", "approver", "seq", "head", "answer", "proof"} {
		v := base
		v.Kind, v.Name, v.Want = "proof", "another "+part, "bad_proof"
		v.Claims, v.Commitment, v.Sum, v.First, v.Second, v.Text = nil, nil, nil, "", "", ""
		if part == "" {
			v.Name, v.Want = "as it was", "ok"
		}
		out = append(out, v.altered(part))
	}
	return append(append(out, tickets(base)...), codes(base)...)
}

func (v vector) altered(part string) vector {
	field := map[string]*vectors.Hex{"org": &v.Org, "user": &v.User, "key": &v.Key, "recipient": &v.Recipient, "nonce": &v.Nonce,
		"approver": &v.Approver, "head": &v.Head, "answer": &v.Answer, "proof": &v.Proof}[part]
	switch {
	case field != nil:
		*field = pick("other", 0)
	case part == "seq":
		v.Seq++
	case part == "device":
		v.Device = "phon"
	}
	return v
}

func tickets(v vector) []vector {
	t := v.Text
	other := v.transcript().Opening.Ticket()
	other.Version = 2
	var out []vector
	for _, x := range []struct{ name, text, want string }{
		{"as shown", t, "ok"}, {"broken into lines, in small letters", " chancery-device:" + t[16:60] + "\n  " + t[60:] + "\r\n", "ok"},
		{"last character lost", t[:len(t)-1], "malformed"}, {"a character more", t + "A", "malformed"}, {"padding", t + "=", "malformed"},
		{"first character lost", t[1:], "malformed"}, {"another scheme", "CHANCERY-DEVICES" + t[15:], "malformed"},
		{"a digit that base 32 lacks", t[:40] + "1" + t[41:], "malformed"}, {"bits beyond the end", t[:len(t)-1] + string(t[len(t)-1]+1), "malformed"},
		{"nothing in it", t[:16], "malformed"}, {"version 2", other.String(), "malformed"},
	} {
		y := vector{Name: x.name, Kind: "ticket", Text: x.text, Want: x.want}
		if x.want == "ok" {
			y.Org, y.Claims, y.Nonce = v.Org, v.Claims, v.Nonce
		}
		out = append(out, y)
	}
	return out
}

func codes(v vector) []vector {
	var out []vector
	for _, x := range []struct{ typed, code string }{
		{v.First, v.First}, {" oil-abc ", "011 ABC"}, {"O0o iIl", "000 111"}, {"zzzzzz", "ZZZ ZZZ"},
		{"12345", ""}, {"1234567", ""}, {"12345U", ""}, {" ", ""}, {"12345é", ""},
	} {
		y := vector{Name: "typed " + x.typed, Kind: "code", Text: x.typed, Code: x.code, Want: "ok"}
		if x.code == "" {
			y.Want = "malformed"
		}
		out = append(out, y)
	}
	return out
}

func TestVectors(t *testing.T) {
	t.Parallel()
	about := "Approval of a device, as docs/formats/approval.md has it. transcript: everything from the first ten fields. reveal: open the commitment. proof: check it. ticket: read text. code: read what somebody typed."
	for _, v := range vectors.Keep(t, "approval.json", about, list()) {
		if got := v.judge(); got != v.Want {
			t.Errorf("%s %s: %s, want %s", v.Kind, v.Name, got, v.Want)
		}
	}
}

func (v vector) judge() string {
	switch v.Kind {
	case "reveal":
		return reason(v.opening().Check(envelope.Hash(v.Commitment)))
	case "proof":
		return reason(v.transcript().CheckProof(v.Proof))
	case "ticket":
		_, err := approval.ParseTicket(v.Text)
		return reason(err)
	case "code":
		if c, ok := approval.ParseCode(v.Text); !ok || string(c) != v.Code {
			return "malformed"
		}
	}
	return "ok"
}

func (v vector) opening() approval.Opening {
	return approval.Opening{Org: envelope.OrgID(v.Org), User: envelope.UserID(v.User), Claims: v.claims(), Nonce: approval.Nonce(v.Nonce)}
}

func reason(err error) string {
	switch {
	case errors.Is(err, approval.ErrCommitment):
		return "bad_commitment"
	case errors.Is(err, approval.ErrProof):
		return "bad_proof"
	case errors.Is(err, envelope.ErrFormat):
		return "malformed"
	case err != nil:
		return err.Error()
	}
	return "ok"
}
