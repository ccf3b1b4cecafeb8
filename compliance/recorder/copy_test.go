package recorder

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// Nothing on disk opens a message without the keyring and the vault's keys, and
// the salt is nowhere.
func TestCopyIsSealed(t *testing.T) {
	t.Parallel()
	w, d, ann, _ := recorded(t)
	p := w.say(ann, "canary in the copy")
	d.settled()
	f, _ := d.known(w.channel.ID())
	raw := must(f.openings.At(p.Position))
	var rec openingRecord
	if err := envelope.Unmarshal(raw, &rec); err != nil {
		t.Fatal(err)
	}
	x := must(f.vault.unseal(p.Position, rec.Secret))
	seed := w.seeds[2]
	for name, secret := range map[string][]byte{
		"text": []byte("canary in the copy"), "X": x[:], "salt": p.Salt, "seed": seed[:],
	} {
		if found := grep(t, d.Copy, secret); found != "" {
			t.Errorf("%s stands in %s", name, found)
		}
	}
	if grep(t, d.Copy, p.Entry.Payload) == "" {
		t.Error("the ciphertext is not in the copy")
	}
}

// grep gives the first file below dir that holds want.
func grep(t *testing.T, dir string, want []byte) (found string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, want) {
			found = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAttackForeignKeyring(t *testing.T) {
	t.Parallel()
	_, d, _, _ := recorded(t)
	d.Recorder.Close()
	c := d.config
	c.Master = seal.NewDataKey()
	if _, err := Open(c); !errors.Is(err, errDamaged) {
		t.Errorf("copy opened with another keyring: %v", err)
	}
	c = d.config
	c.VaultKeys = t.TempDir()
	if _, err := Open(c); !errors.Is(err, errVault) {
		t.Errorf("copy opened without its vault's keys: %v", err)
	}
	d.open()
}
