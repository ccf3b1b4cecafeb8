package seal

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"chancery/crypto/agefile"
	"chancery/crypto/envelope"
	"chancery/crypto/suitetest"
)

func TestAttack41SecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	device, id := testDevice(t, "device"), testIdentity(t, suitetest.Suite(), "one")
	b := fill("secret")
	values := []any{
		Seed(b), UserSeed(b), Secret(b), DataKey(b), EpochKey{key: b}, device, id,
		&EpochKey{key: b}, struct{ X Secret }{Secret(b)}, []DataKey{b},
	}
	canaries := []string{
		hex.EncodeToString(b[:]), fmt.Sprintf("%v", b), string(b[:]), fmt.Sprintf("%q", b[:]),
		strings.Trim(fmt.Sprint(b[:8]), "[]"), strings.ReplaceAll(strings.Trim(fmt.Sprint(b[:8]), "[]"), " ", ","),
		hex.EncodeToString(device.Seed()), strings.Trim(fmt.Sprint(device.Seed()[:8]), "[]"),
		hex.EncodeToString(id.Seed()), strings.Trim(fmt.Sprint(id.Seed()[:8]), "[]"), "AGE-SECRET",
	}
	var out bytes.Buffer
	text, object := slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil))
	for _, v := range values {
		fmt.Fprintf(&out, "%v %+v %#v %s %x %d %q\n", v, v, v, v, v, v, v)
		text.Info("x", "v", v)
		object.Info("x", "v", v)
		if j, err := json.Marshal(v); err == nil {
			out.Write(j)
		}
	}
	for _, c := range canaries {
		if strings.Contains(out.String(), c) {
			t.Errorf("output contains %q", c)
		}
	}
}

func TestSecretsAreKeptWhole(t *testing.T) {
	t.Parallel()
	type kept struct {
		_ struct{} `cbor:",toarray"`
		X Secret
	}
	in := kept{X: Secret(fill("x"))}
	var out kept
	if err := envelope.Unmarshal(envelope.Marshal(&in), &out); err != nil || out.X != in.X {
		t.Fatalf("a stored secret came back changed: %v", err)
	}
}

func TestSuite(t *testing.T) {
	t.Parallel()
	for _, s := range suitetest.Suites() {
		if err := CheckSuite(s); err != nil {
			t.Fatal(err)
		}
	}
	seed := fill("seed")
	for _, s := range []envelope.Suite{"", "none", "FIPS", "age ", "fips2"} {
		wantError(t, CheckSuite(s), ErrSuite)
		wantError(t, CheckRecipient(s, testIdentity(t, suitetest.Suite(), "one").Recipient()), ErrSuite)
		_, err := IdentityFromSeed(s, seed[:])
		wantError(t, err, ErrSuite)
		_, err = UserIdentity(s, UserSeed(seed))
		wantError(t, err, ErrSuite)
		_, err = Wrap(s, Purpose{}, nil, nil)
		wantError(t, err, ErrSuite)
		_, err = SealTo(s, Purpose{}, [][]byte{{1}}, nil)
		wantError(t, err, ErrSuite)
		_, err = WrapAll(s, Seed(seed), testEpoch(), []envelope.Recipient{{Public: []byte{1}}})
		wantError(t, err, ErrSuite)
	}
}

// Under enforcement age spins or gives empty keys. The test runs itself again
// in that mode, with a time limit, and expects a clear refusal of every entry.
func TestAttack29NoAgeUnderFIPS(t *testing.T) {
	if os.Getenv("CHANCERY_TEST_FIPS") == "1" {
		refuseUnderFIPS(t)
		return
	}
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^TestAttack29NoAgeUnderFIPS$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", "CHANCERY_TEST_FIPS=1")
	cmd.WaitDelay = time.Second
	timer := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "PASS: TestAttack29") {
		t.Fatalf("under fips140=only: %v\n%s", err, out)
	}
}

func refuseUnderFIPS(t *testing.T) {
	const age = envelope.SuiteAge
	seed, recipient := fill("seed"), bytes.Repeat([]byte("q"), 1959)
	_, err := IdentityFromSeed(age, seed[:])
	wantError(t, err, ErrSuite)
	_, err = UserIdentity(age, UserSeed(seed))
	wantError(t, err, ErrSuite)
	_, err = GenerateIdentity(age, bytes.NewReader(seed[:]))
	wantError(t, err, ErrSuite)
	_, err = Wrap(age, Purpose{}, recipient, nil)
	wantError(t, err, ErrSuite)
	_, err = Unwrap(&Identity{suite: age, private: ageOpener{new(agefile.Identity)}}, Purpose{}, nil)
	wantError(t, err, ErrSuite)
	_, err = SealTo(age, Purpose{}, [][]byte{recipient}, nil)
	wantError(t, err, ErrSuite)
	_, err = WrapAll(age, Seed(seed), testEpoch(), []envelope.Recipient{{Public: recipient}})
	wantError(t, err, ErrSuite)
	wantError(t, CheckRecipient(age, recipient), ErrSuite)
	wantError(t, CheckSuite(age), ErrSuite)
	// What suites share must work: messages, files, signatures.
	entry, salt := testMessage(t)
	if _, err := Open(testKey(), entry, salt[:]); err != nil {
		t.Fatal(err)
	}
	if _, err := sealFile(t, []byte("x")).open(); err != nil {
		t.Fatal(err)
	}
}

// This package holds every secret, so nothing it links may reach a network or
// start a program.
func TestNoNetwork(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.Lines(string(out)) {
		switch strings.TrimSpace(dep) {
		case "net", "net/http", "os/exec", "plugin":
			t.Errorf("links %s", dep)
		}
	}
}
