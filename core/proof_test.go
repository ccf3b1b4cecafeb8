package core_test

import (
	"errors"
	"testing"

	"chancery/core"
	"chancery/core/coretest"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// TestAttackRelayedLogin: a statement that a key signed for a server that looks
// like this one, for another session or for another purpose is worth nothing
// here, nor is one a second time.
func TestAttackRelayedLogin(t *testing.T) {
	t.Parallel()
	s := coretest.Start(t)
	admin := s.Found(envelope.CaptureOff)
	recorder, bob := s.Recorder(admin), s.Join("bob")
	again := s.SignIn("bob") // another session of the same person
	again.Key = bob.Key
	var spent wire.LoginStatement
	for name, c := range map[string]struct {
		label  string
		change func(*wire.LoginStatement)
		code   string
	}{
		"as it should be": {wire.LabelDevice, func(c *wire.LoginStatement) { spent = *c }, ""},
		"other host":      {wire.LabelDevice, func(c *wire.LoginStatement) { c.Host = "chat.evil.example" }, "login.other_host"},
		"no host":         {wire.LabelDevice, func(c *wire.LoginStatement) { c.Host = "" }, "login.other_host"},
		"other session":   {wire.LabelDevice, func(c *wire.LoginStatement) { c.Session = int64(bob.P.Session) }, "login.other_session"},
		"no session":      {wire.LabelDevice, func(c *wire.LoginStatement) { c.Session = 0 }, "login.other_session"},
		"other org":       {wire.LabelDevice, func(c *wire.LoginStatement) { c.Org[0] ^= 1 }, "login.replayed"},
		"other nonce":     {wire.LabelDevice, func(c *wire.LoginStatement) { c.Nonce[0] ^= 1 }, "login.replayed"},
		"other purpose":   {wire.LabelEnrol, func(*wire.LoginStatement) {}, "request.malformed"},
	} {
		claim := s.Claim(t.Context(), bob.Key.ID(), again.P.Session)
		c.change(&claim)
		wantCode(t, name, s.BindDevice(t.Context(), again.P, wire.BindDevice{Statement: signed(t, c.label, claim, bob.Key)}), c.code)
	}
	replay := wire.BindDevice{Statement: signed(t, wire.LabelDevice, spent, bob.Key)}
	wantCode(t, "a second time", s.BindDevice(t.Context(), again.P, replay), "login.replayed")

	for name, c := range map[string]struct {
		change func(*wire.LoginStatement)
		code   string
	}{
		"as it should be": {func(*wire.LoginStatement) {}, ""},
		"other host":      {func(c *wire.LoginStatement) { c.Host = "chat.evil.example" }, "login.other_host"},
		"of a session":    {func(c *wire.LoginStatement) { c.Session = int64(bob.P.Session) }, "login.other_session"},
	} {
		claim := s.Claim(t.Context(), recorder.Key.ID(), 0)
		claim.Role = envelope.RoleRecorder
		c.change(&claim)
		_, err := s.LoginKey(t.Context(), wire.KeyLogin{Statement: signed(t, wire.LabelLogin, claim, recorder.Key)})
		wantCode(t, "recorder, "+name, err, c.code)
	}
}

// TestAttackSquattedDevice: who knows a device's public key and doesn't have the
// key can't enter it as their own and so keep it from its owner.
func TestAttackSquattedDevice(t *testing.T) {
	t.Parallel()
	s := coretest.Start(t)
	s.Found(envelope.CaptureOff)
	bob, eve := s.Join("bob"), s.Join("eve")
	phone := bob.NewDevice("phone")
	squat := phone.Asking()
	squat.Statement = nil
	wantCode(t, "without a statement", s.AskForDevice(t.Context(), eve.P, squat), string(chain.BadSignature))
	squat.Statement = signed(t, wire.LabelEnrol, s.Claim(t.Context(), phone.Key.ID(), eve.P.Session), eve.Key)
	wantCode(t, "signed by her own key", s.AskForDevice(t.Context(), eve.P, squat), string(chain.BadSignature))
	squat.Statement = phone.Asking().Statement
	wantCode(t, "signed for its owner's session", s.AskForDevice(t.Context(), eve.P, squat), "login.other_session")

	wantCode(t, "by its owner", s.AskForDevice(t.Context(), bob.P, phone.Asking()), "")
}

func signed(t *testing.T, label string, claim wire.LoginStatement, key *seal.SigningKey) []byte {
	t.Helper()
	b, err := seal.SignStatement(label, &claim, key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wantCode wants an error with that code, or none for "".
func wantCode(t *testing.T, name string, err error, code string) {
	t.Helper()
	if code == "" {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return
	}
	e, ok := errors.AsType[*core.Error](err)
	if !ok || e.Code != code {
		t.Errorf("%s: %v, want code %s", name, err, code)
	}
}

// codeOf is an error's code, or "" for none.
func codeOf(err error) string {
	if e, ok := errors.AsType[*core.Error](err); ok {
		return e.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}
