package keyring

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chancery/crypto/agefile"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/suitetest"
)

func makeRing(t testing.TB, options ...Option) (*Ring, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ring")
	r, err := Create(dir, passphrase, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeRing(t, r) })
	return r, dir
}

func readJSON(t *testing.T, dir string) configJSON {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, configFile))
	if err != nil {
		t.Fatal(err)
	}
	var c configJSON
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSuitesOfKeyrings(t *testing.T) {
	t.Parallel()
	suitetest.Each(t, func(t *testing.T, s envelope.Suite) {
		r, dir := makeRing(t, Suite(s), Cheap())
		put(t, r, "device", "one")
		r = reopen(t, r, dir)
		if r.Suite() != s {
			t.Fatalf("the keyring is of suite %q", r.Suite())
		}
		if got, err := r.Get("device"); err != nil || string(got) != "one" {
			t.Fatalf("item is %q, %v", got, err)
		}
		if err := r.ChangePassphrase("battery staple"); err != nil {
			t.Fatal(err)
		}
		closeRing(t, r)
		_, err := Open(dir, passphrase)
		wantError(t, err, ErrPassphrase)
		if suites[readJSON(t, dir).KDF] != s {
			t.Fatal("another passphrase made it another suite")
		}
	})
}

func TestFullWork(t *testing.T) {
	t.Parallel()
	_, dir := makeRing(t, Suite(envelope.SuiteFIPS))
	if c := readJSON(t, dir); c.Iterations != 600_000 || c.KDF != "pbkdf2-hmac-sha512" || len(c.Salt) != 32 {
		t.Fatalf("%d iterations of %s, salt of %d bytes", c.Iterations, c.KDF, len(c.Salt))
	}
}

func TestAttack36WorkFactorBomb(t *testing.T) {
	t.Parallel()
	bombs := map[envelope.Suite]configJSON{
		envelope.SuiteFIPS: {Version: 1, KDF: kdfPBKDF2, Iterations: maxIterations + 1, Salt: make([]byte, saltSize), Master: make([]byte, 60)},
		envelope.SuiteAge: {Version: 1, KDF: kdfScrypt, Master: []byte("age-encryption.org/v1\n-> scrypt " + strings.Repeat("A", 22) + " 21\n" +
			strings.Repeat("A", 43) + "\n--- " + strings.Repeat("A", 43) + "\n" + strings.Repeat("x", 64))},
	}
	suitetest.Each(t, func(t *testing.T, s envelope.Suite) {
		r, dir := makeRing(t, Suite(s), Cheap())
		closeRing(t, r)
		writeConfig(t, dir, bombs[s])
		start := time.Now()
		_, err := Open(dir, passphrase)
		wantError(t, err, ErrDamaged)
		if spent := time.Since(start); spent > time.Second {
			t.Fatalf("refusing took %v", spent)
		}
	})
}

func TestAttackConfigChanged(t *testing.T) {
	t.Parallel()
	suitetest.Each(t, func(t *testing.T, s envelope.Suite) {
		r, dir := makeRing(t, Suite(s), Cheap())
		closeRing(t, r)
		good := readJSON(t, dir)
		changed := bytes.Clone(good.Master)
		changed[len(changed)-1] ^= 1
		for name, edit := range map[string]func(*configJSON){
			"version": func(c *configJSON) { c.Version = 2 }, "kdf": func(c *configJSON) { c.KDF = "none" },
			"no master key": func(c *configJSON) { c.Master = nil }, "master key changed": func(c *configJSON) { c.Master = changed },
			"master key cut": func(c *configJSON) { c.Master = c.Master[1:] },
			"iterations":     func(c *configJSON) { c.Iterations++ }, "salt": func(c *configJSON) { c.Salt = append([]byte{1}, c.Salt...) },
			"few iterations": func(c *configJSON) { c.Iterations = 1 }, "negative": func(c *configJSON) { c.Iterations = -1 },
			"file to a key": func(c *configJSON) { c.Master = foreign(t, s) },
			"other suite": func(c *configJSON) {
				c.KDF = map[string]string{kdfScrypt: kdfPBKDF2, kdfPBKDF2: kdfScrypt}[c.KDF]
			},
		} {
			c := good
			edit(&c)
			writeConfig(t, dir, c)
			if r, err := Open(dir, passphrase); err == nil {
				closeRing(t, r)
				t.Errorf("%s: opened", name)
			}
		}
	})
}

// foreign is a file of the suite that is sealed to a key, not to a passphrase.
func foreign(t *testing.T, s envelope.Suite) []byte {
	t.Helper()
	id, err := seal.IdentityFromSeed(s, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	file, err := seal.Wrap(s, seal.Purpose{}, id.Recipient(), make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// A keyring of suite age is refused, not opened, in a process where age would
// misbehave. The test runs itself again in that mode.
func TestAttack29KeyringUnderFIPS(t *testing.T) {
	const helper = "CHANCERY_TEST_RING"
	if dir := os.Getenv(helper); dir != "" {
		_, err := Open(dir, passphrase)
		wantError(t, err, agefile.ErrEnforced)
		_, err = Create(filepath.Join(t.TempDir(), "ring"), passphrase)
		wantError(t, err, agefile.ErrEnforced)
		return
	}
	t.Parallel()
	suitetest.NeedsAge(t)
	r, dir := makeRing(t, Cheap())
	closeRing(t, r)
	cmd := exec.Command(os.Args[0], "-test.run=^TestAttack29KeyringUnderFIPS$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", helper+"="+dir)
	cmd.WaitDelay = time.Second
	timer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS: TestAttack29Keyring") {
		t.Fatalf("under fips140=only: %v\n%s", err, out)
	}
}

func TestWrongPassphraseIsNoDamage(t *testing.T) {
	t.Parallel()
	suitetest.Each(t, func(t *testing.T, s envelope.Suite) {
		r, dir := makeRing(t, Suite(s), Cheap())
		closeRing(t, r)
		_, err := Open(dir, passphrase+"x")
		if !errors.Is(err, ErrPassphrase) || errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
	})
}
