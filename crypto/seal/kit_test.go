package seal

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/suitetest"
	"chancery/crypto/vectors"
)

type kitVector struct {
	Name     string      `json:"name"`
	Kind     string      `json:"kind"`
	Text     string      `json:"text"`
	Kit      vectors.Hex `json:"kit,omitempty"`
	Signing  vectors.Hex `json:"signing_seed,omitempty"`
	Key      vectors.Hex `json:"key,omitempty"`
	Identity vectors.Hex `json:"identity_seed,omitempty"`
	Want     string      `json:"want"`
}

func kitVectors() []kitVector {
	k := Kit(bytes.Repeat([]byte{7, 0xA5}, 16))
	good := func(name, text string, k Kit) kitVector {
		identity := derive[[32]byte](k, nil, envelope.Frame("kit-identity"))
		return kitVector{name, "kit", text, k[:], k.SigningKey().Seed(), k.SigningKey().Public(), identity[:], "ok"}
	}
	text := k.Reveal()
	list := []kitVector{
		good("as printed", text, k), good("all ones", Kit(bytes.Repeat([]byte{0xFF}, 32)).Reveal(), Kit(bytes.Repeat([]byte{0xFF}, 32))),
		good("small letters, hyphens, two lines", strings.ToLower(strings.ReplaceAll(text[:34], " ", "-"))+"\n"+text[35:], k),
		good("O for 0, l for 1", strings.NewReplacer("0", "O", "1", "l").Replace(text), k),
	}
	for name, bad := range map[string]string{
		"a letter lost": text[:len(text)-1], "a letter more": text + "0", "a group lost": text[5:], "empty": "",
		"a letter that there is not": "U" + text[1:], "something else": "correct horse battery staple",
	} {
		list = append(list, kitVector{Name: name, Kind: "kit", Text: bad, Want: "bad_kit"})
	}
	for _, i := range []int{0, 31, 33, 68} {
		other := []byte(text)
		other[i] = "0Z"[min(1, strings.Count("0", string(other[i])))]
		list = append(list, kitVector{Name: fmt.Sprintf("letter %d mistyped", i), Kind: "kit", Text: string(other), Want: "bad_kit"})
	}
	swapped := strings.Fields(text)
	swapped[2], swapped[3] = swapped[3], swapped[2]
	return append(list, kitVector{Name: "two groups swapped", Kind: "kit", Text: strings.Join(swapped, " "), Want: "bad_kit"})
}

func TestKitVectors(t *testing.T) {
	t.Parallel()
	list := kitVectors()
	slices.SortFunc(list, func(a, b kitVector) int { return cmp.Compare(a.Want+a.Name, b.Want+b.Name) })
	about := "Recovery kits, as docs/formats/recovery.md has them: read text, then derive the seeds; key is the public key of the signing seed."
	for _, v := range vectors.Keep(t, "kits.json", about, list) {
		k, err := ParseKit(v.Text)
		if (v.Want == "ok") != (err == nil) || err != nil && !errors.Is(err, ErrKit) {
			t.Errorf("%s: %v, want %s", v.Name, err, v.Want)
		}
		if err == nil && !bytes.Equal(k[:], v.Kit) {
			t.Errorf("%s: another kit", v.Name)
		}
	}
}

func TestKitOpensWhatIsWrappedToIt(t *testing.T) {
	t.Parallel()
	k, seed := NewKit(), NewUserSeed()
	public, err := k.Public(suitetest.Suite())
	if err != nil {
		t.Fatal(err)
	}
	c := UserSeedContext{Org: envelope.OrgID{1}, Device: envelope.KeyOf(public.Key), Generation: 3}
	wrap, err := WrapUserSeed(suitetest.Suite(), seed, c, public.Recipient)
	if err != nil {
		t.Fatal(err)
	}
	typed, err := ParseKit(k.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	id, err := typed.Identity(suitetest.Suite())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := UnwrapUserSeed(id, wrap, c); err != nil || got != seed {
		t.Errorf("unwrapped %v, %v", got == seed, err)
	}
	other := NewKit()
	if id, err = other.Identity(suitetest.Suite()); err != nil {
		t.Fatal(err)
	}
	if _, err := UnwrapUserSeed(id, wrap, c); err == nil {
		t.Error("another kit opens it")
	}
	if text := fmt.Sprintf("%v %+v %s", k, k, k); strings.Contains(text, k.Reveal()[:4]) || strings.ReplaceAll(text, redacted, "") != "  " {
		t.Errorf("a kit prints as %q", text)
	}
}
