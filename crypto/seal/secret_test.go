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

	"chancery/crypto/envelope"
)

func TestAttack41SecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	device, id := testDevice(t, "device"), testIdentity(t, "one")
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
	if err := CheckSuite(envelope.SuiteAge); err != nil {
		t.Fatal(err)
	}
	wantError(t, CheckSuite(envelope.SuiteFIPS), ErrSuite)
	wantError(t, CheckSuite(""), ErrSuite)
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
	seed := fill("seed")
	recipient := bytes.Repeat([]byte("q"), recipientSize)
	id := &Identity{recipient: string(recipient)}
	_, err := IdentityFromSeed(seed[:])
	wantError(t, err, ErrSuite)
	_, err = UserIdentity(UserSeed(seed))
	wantError(t, err, ErrSuite)
	_, err = GenerateIdentity(bytes.NewReader(seed[:]))
	wantError(t, err, ErrSuite)
	_, err = Wrap(recipient, nil)
	wantError(t, err, ErrSuite)
	_, err = Unwrap(id, nil)
	wantError(t, err, ErrSuite)
	_, err = SealTo([][]byte{recipient}, nil)
	wantError(t, err, ErrSuite)
	_, err = WrapAll(Seed(seed), testEpoch(), []envelope.Recipient{{Public: recipient}})
	wantError(t, err, ErrSuite)
	wantError(t, CheckRecipient(recipient), ErrSuite)
	wantError(t, CheckSuite(envelope.SuiteAge), ErrSuite)
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
