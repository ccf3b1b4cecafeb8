package approval_test

import (
	"errors"
	"strings"
	"testing"

	"chancery/crypto/approval"
	"chancery/crypto/envelope"
)

func transcript() approval.Transcript {
	claims := approval.Claims{Name: "phone", Key: []byte{1}, Recipient: []byte{2}}
	return approval.Transcript{
		Opening: approval.Opening{Org: envelope.OrgID{1}, User: envelope.UserID{2}, Claims: claims.Hash(), Nonce: approval.Nonce{3}},
		Answer:  approval.Answer{Approver: envelope.KeyID{4}, Seq: 5, Head: envelope.Hash{6}, Nonce: approval.Nonce{7}},
	}
}

// changes is every way in which two transcripts may differ.
var changes = map[string]func(*approval.Transcript){
	"organisation":   func(t *approval.Transcript) { t.Org[9]++ },
	"user":           func(t *approval.Transcript) { t.User[9]++ },
	"claims":         func(t *approval.Transcript) { t.Claims[9]++ },
	"nonce":          func(t *approval.Transcript) { t.Opening.Nonce[9]++ },
	"approver":       func(t *approval.Transcript) { t.Answer.Approver[9]++ },
	"link number":    func(t *approval.Transcript) { t.Answer.Seq++ },
	"head":           func(t *approval.Transcript) { t.Answer.Head[9]++ },
	"approver nonce": func(t *approval.Transcript) { t.Answer.Nonce[9]++ },
}

// Whatever a server that stands between two devices changes for one of them,
// both codes and the proof are others.
func TestAttack35ShortCodeCoversEverything(t *testing.T) {
	t.Parallel()
	honest := transcript()
	first, second := honest.Codes()
	if first == second {
		t.Errorf("both halves are %s", first)
	}
	if err := honest.CheckProof(honest.Proof()); err != nil {
		t.Error(err)
	}
	for name, change := range changes {
		other := transcript()
		change(&other)
		a, b := other.Codes()
		if a == first || b == second {
			t.Errorf("another %s: codes %s %s, as before", name, a, b)
		}
		if err := other.CheckProof(honest.Proof()); !errors.Is(err, approval.ErrProof) {
			t.Errorf("another %s: proof: %v", name, err)
		}
	}
	if err := honest.CheckProof(nil); !errors.Is(err, approval.ErrProof) {
		t.Errorf("no proof: %v", err)
	}
}

func TestCommitmentHasOneOpening(t *testing.T) {
	t.Parallel()
	id := transcript().Commitment()
	if err := transcript().Check(id); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"organisation", "user", "claims", "nonce"} {
		other := transcript()
		changes[name](&other)
		if err := other.Check(id); !errors.Is(err, approval.ErrCommitment) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	a, b := approval.Claims{Name: "ab", Key: []byte("c")}, approval.Claims{Name: "a", Key: []byte("bc")}
	if a.Hash() == b.Hash() {
		t.Error("claims run together")
	}
}

func TestParseCode(t *testing.T) {
	t.Parallel()
	first, _ := transcript().Codes()
	for _, typed := range []string{string(first), strings.ToLower(string(first)), " " + strings.ReplaceAll(string(first), " ", "") + "\r",
		strings.ReplaceAll(string(first), " ", "-")} {
		if c, ok := approval.ParseCode(typed); !ok || c != first {
			t.Errorf("%q is %q, %v", typed, c, ok)
		}
	}
	if c, ok := approval.ParseCode("oil 0u1"); ok {
		t.Errorf("a code with U: %q", c)
	}
	if c, ok := approval.ParseCode("oil abc"); !ok || c != "011 ABC" {
		t.Errorf("look-alikes: %q, %v", c, ok)
	}
	for _, typed := range []string{"", "12345", "1234567", "yes", "åbcdef"} {
		if c, ok := approval.ParseCode(typed); ok {
			t.Errorf("%q passes for %q", typed, c)
		}
	}
}

func TestTicket(t *testing.T) {
	t.Parallel()
	o := transcript().Opening
	text := o.Ticket().String()
	wrapped := " " + strings.ToLower(text[:40]) + "\r\n  " + text[40:] + "\n"
	got, err := approval.ParseTicket(wrapped)
	if err != nil || got.Opening(o.User) != o {
		t.Errorf("ticket read as %+v, %v", got, err)
	}
	if !approval.IsTicket(wrapped) || approval.IsTicket("phone") {
		t.Error("tickets are not told from names")
	}
	for name, bad := range map[string]string{
		"cut": text[:len(text)-1], "longer": text + "A", "other scheme": "CHANCERY-CHANNEL:" + text[16:], "a digit": text[:30] + "1" + text[31:],
		"stray bits": text[:len(text)-1] + string(text[len(text)-1]+1), "empty": "CHANCERY-DEVICE:",
	} {
		if _, err := approval.ParseTicket(bad); !errors.Is(err, envelope.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := o.Ticket()
	other.Version = 2
	if _, err := approval.ParseTicket(other.String()); !errors.Is(err, envelope.ErrFormat) {
		t.Errorf("version 2: %v", err)
	}
}
