package chain

import (
	"testing"

	"chancery/crypto/envelope"
)

func TestReplay(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureOff)
	var links [][]byte
	for _, b := range w.links(&w.org.spine, 0) {
		links = append(links, b)
	}
	org, err := Replay(links, NewOrg)
	if err != nil || org.Head() != w.org.Head() || org.Seq() != w.org.Seq() {
		t.Fatalf("the organisation's chain: %v", err)
	}
	last := len(links) - 1
	for name, bad := range map[string][][]byte{
		"nothing": nil, "no genesis": links[1:], "genesis twice": append(links[:1:1], links...), "a gap": append(links[:last-1:last-1], links[last]),
		"no entry": append(links[:last:last], []byte{0x80}), "no entry first": append([][]byte{{0x80}}, links...),
	} {
		if _, err := Replay(bad, NewOrg); err == nil {
			t.Errorf("took a chain with %s", name)
		}
	}
}

// TestKeysOfChains asks a person's chain for generations that are not there.
func TestKeysOfChains(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureOff)
	w.must(w.bob.Apply(w.renew(w.bob)))
	for n, want := range map[uint64]bool{0: false, 1: true, 2: true, 3: false} {
		if k, ok := w.bob.Key(n); ok != want || ok && n > 1 && k.Generation != n {
			t.Errorf("generation %d: %v", n, ok)
		}
	}
}
