package identity

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode"
)

func TestNormalize(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"alice":             "alice",
		" ALICE\t":          "alice",
		"ａｌｉｃｅ":             "alice",
		"al\u00adice":       "alice",
		"al\u200b\u200dice": "alice",
		"al\x00ice":         "alice",
		"alice\ufe0f":       "alice",
		"jane \u00a0 doe":   "jane doe",
		"STRASSE":           "strasse",
		"STRAßE":            "straße",
		"Ꮑ":                 "ꮑ",
		"ꮑ":                 "ꮑ",
		"ΟΔΟΣ":              "οδοσ",
		"οδος":              "οδοσ",
		"Jo\u0308rg":        "j\u00f6rg",
		"\ufb01sh":          "fish",
		"\u1e9e":            "ß",
		"a\xff":             "a\ufffd",
		"\u200b ":           "",
	}
	for in, want := range tests {
		got := Normalize(in)
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
		if again := Normalize(got); again != got {
			t.Errorf("%q: not stable: %q, then %q", in, got, again)
		}
	}
}

func TestNormalizeEveryRune(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= unicode.MaxRune; r++ {
		once := Normalize("a" + string(r) + "b")
		if again := Normalize(once); again != once {
			t.Errorf("%U: %q, then %q", r, once, again)
		}
	}
}

func FuzzNormalizeIsStable(f *testing.F) {
	f.Add("Jo\u00ad\u0308rg")
	f.Add("\u1fb3\u0345 \u0130")
	f.Fuzz(func(t *testing.T, name string) {
		if once := Normalize(name); Normalize(once) != once {
			t.Errorf("%q: %q, then %q", name, once, Normalize(once))
		}
	})
}

func TestToken(t *testing.T) {
	t.Parallel()
	a, err := NewToken(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b, err := ParseToken(a.Reveal())
	if err != nil || !a.Hash().Equal(b.Hash()) {
		t.Fatalf("not read back: %v", err)
	}
	if c, _ := NewToken(rand.Reader); a.Hash().Equal(c.Hash()) {
		t.Error("two tokens are equal")
	}
	if _, err := NewToken(strings.NewReader("short")); err == nil {
		t.Error("a token from too little randomness")
	}
	text := a.Reveal()
	for _, bad := range []string{"", "chs_", text[4:], text + "A", text[:len(text)-1], "CHS_" + text[4:],
		text + "=", text[:20] + "\n" + text[20:], text[:len(text)-1] + "+", " " + text} {
		if _, err := ParseToken(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// One token must have one spelling, or revoking by text would miss the others.
func TestAttackTokenSpellings(t *testing.T) {
	t.Parallel()
	zero := Token{}.Reveal()
	if _, err := ParseToken(zero[:len(zero)-1] + "B"); err == nil {
		t.Error("spare bits are ignored")
	}
}

func TestSecretsStayHidden(t *testing.T) {
	t.Parallel()
	token, err := NewToken(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	secret := Secret("hunter2")
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("x", "token", token, "secret", secret, "both", struct {
		T Token
		S Secret
	}{token, secret})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb, token, secret)
	}
	if err := json.NewEncoder(&out).Encode(map[string]any{"t": token, "s": secret}); err != nil {
		t.Fatal(err)
	}
	for _, leak := range []string{"hunter2", fmt.Sprintf("%x", "hunter2"), token.Reveal()[4:], fmt.Sprintf("%x", token.secret[:4]), fmt.Sprint(token.secret[:4])[1:12]} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%s is in %s", leak, out.String())
		}
	}
}

func TestSession(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	user, admin := IL5(false), IL5(true)
	at := func(active time.Duration) Session {
		return Session{CreatedAt: start, RotatedAt: start, ActiveAt: start.Add(active)}
	}
	revoked := at(0)
	revoked.RevokedAt = start
	tests := []struct {
		name    string
		profile Profile
		session Session
		after   time.Duration
		want    error
	}{
		{"fresh", user, at(0), 0, nil},
		{"almost idle", user, at(0), 15*time.Minute - 1, nil},
		{"idle", user, at(0), 15 * time.Minute, ErrSessionIdle},
		{"administrator almost idle", admin, at(0), 10*time.Minute - 1, nil},
		{"administrator idle", admin, at(0), 10 * time.Minute, ErrSessionIdle},
		{"busy", user, at(11 * time.Hour), 11*time.Hour + time.Minute, nil},
		{"busy for too long", user, at(12 * time.Hour), 12 * time.Hour, ErrSessionExpired},
		{"revoked", user, revoked, 0, ErrSessionRevoked},
		{"zero profile", Profile{}, at(0), 0, ErrSessionExpired},
		{"zero session", user, Session{}, 0, ErrSessionExpired},
	}
	for _, test := range tests {
		now := start.Add(test.after)
		if got := test.profile.Check(test.session, now); !errors.Is(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
		if test.want != ErrSessionRevoked && now.Before(test.profile.Deadline(test.session)) != (test.want == nil) {
			t.Errorf("%s: Deadline and Check disagree", test.name)
		}
	}
	if user.MustRotate(at(0), start.Add(24*time.Hour-1)) || !user.MustRotate(at(0), start.Add(24*time.Hour)) {
		t.Error("the token is not replaced daily")
	}
}

func TestLockout(t *testing.T) {
	t.Parallel()
	rule := ThreeIn15()
	start := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	tests := []struct {
		name     string
		failures []int // minutes
		at       int
		locked   bool
	}{
		{"none", nil, 0, false},
		{"two", []int{0, 1}, 1, false},
		{"three", []int{0, 1, 2}, 2, true},
		{"three slowly", []int{0, 8, 15}, 15, false},
		{"sliding", []int{0, 8, 15, 16}, 16, true},
		{"held", []int{0, 1, 2}, 16, true},
		{"over", []int{0, 1, 2}, 17, false},
		{"not prolonged by failures meanwhile", []int{0, 1, 2, 10, 16}, 17, false},
		{"afresh", []int{0, 1, 2, 18, 19}, 19, false},
		{"again", []int{0, 1, 2, 18, 19, 20}, 20, true},
	}
	for _, test := range tests {
		var l Lockout
		for _, m := range test.failures {
			l = rule.Fail(l, start.Add(time.Duration(m)*time.Minute))
			if len(l.Failures) >= rule.Failures {
				t.Errorf("%s: state grows to %d", test.name, len(l.Failures))
			}
		}
		if got := rule.Locked(l, start.Add(time.Duration(test.at)*time.Minute)); got != test.locked {
			t.Errorf("%s: locked %v", test.name, got)
		}
	}
	rule.Hold = 0
	if l := (Lockout{LockedAt: start}); !rule.Locked(l, start.AddDate(1, 0, 0)) {
		t.Error("a lock without end ended")
	}
	if !(LockoutRule{}).Locked(Lockout{}, start) {
		t.Error("the zero rule lets people in")
	}
}

func TestPublicText(t *testing.T) {
	t.Parallel()
	refusal := PublicText(ErrCredentials)
	for _, err := range []error{ErrDisabled, ErrLocked, ErrNoSubject, fmt.Errorf("at corp: %w: data 533", ErrDisabled), errors.New("bug")} {
		if got := PublicText(err); got != refusal {
			t.Errorf("%v: %q", err, got)
		}
	}
	if PublicText(fmt.Errorf("x: %w", ErrUnavailable)) == refusal {
		t.Error("an outage reads like a refusal")
	}
}
