package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"chancery/crypto/envelope"
	"chancery/crypto/sign"
)

func load(t *testing.T, text string, env map[string]string, flags ...string) (config, map[string]string, error) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, configName)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o := &options{file: path, env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	for _, f := range flags {
		key, value, _ := strings.Cut(f, "=")
		switch key {
		case "listen":
			o.listen = value
		case "state":
			o.state = value
		}
	}
	return o.load()
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	env := map[string]string{"CHANCERY_LISTEN": "127.0.0.1:2", "CHANCERY_FILES_MAX_SIZE": "77", "CHANCERY_LOG": "debug"}
	c, from, err := load(t, "listen: 127.0.0.1:1\nlog: warn\nfips: \"off\"\n", env, "listen=127.0.0.1:3")
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:3" || from["listen"] != "--listen" {
		t.Errorf("listen %s from %s", c.Listen, from["listen"])
	}
	if c.Log != "debug" || from["log"] != "CHANCERY_LOG" || c.Files.MaxSize != 77 {
		t.Errorf("log %s from %s, files.max_size %d", c.Log, from["log"], c.Files.MaxSize)
	}
	if from["fips"] != "" {
		t.Errorf("fips is at its default, and said to be from %s", from["fips"])
	}
}

func TestConfigRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"unknown key":        "listne: 127.0.0.1:1\n",
		"unknown nested key": "vault: {copy: [a]}\n",
		"wrong type":         "files: {max_size: large}\n",
		"open without TLS":   "listen: 0.0.0.0:8443\n",
		"host without TLS":   "listen: chat.example:8443\n",
		"half of TLS":        "tls: {cert: a.pem}\n",
		"fips":               "fips: maybe\n",
		"role":               "roles: {admins: root}\n",
		"profile":            "session: {profile: forever}\n",
		"recheck":            "session: {recheck: 10ms}\n",
	} {
		if _, _, err := load(t, text, nil); err == nil {
			t.Errorf("%s: taken", name)
		} else if _, ok := errors.AsType[usage](err); !ok {
			t.Errorf("%s: %v is not the operator's to correct", name, err)
		}
	}
}

// TestTemplateIsTheDefault: the file that init writes means what no file means.
func TestTemplateIsTheDefault(t *testing.T) {
	t.Parallel()
	want := defaults("/srv/chancery")
	path := filepath.Join(t.TempDir(), configName)
	if err := os.WriteFile(path, []byte(template(&want)), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := readConfig(path, "/elsewhere", true)
	if err != nil {
		t.Fatal(err)
	}
	got.LDAP, got.Roles, want.LDAP, want.Roles = nil, nil, nil, nil // empty and absent mean the same
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	var out bytes.Buffer
	if err := explain(&out, &got, nil); err != nil || !strings.Contains(out.String(), "vault.copies: [/srv/chancery/vault-a /srv/chancery/vault-b]") {
		t.Errorf("explain: %v\n%s", err, &out)
	}
}

func TestInitNeverOverwrites(t *testing.T) {
	t.Parallel()
	c := defaults(newState(t))
	path := filepath.Join(c.State, configName)
	var cards [2]bytes.Buffer
	for i := range cards {
		if err := makeAll(path, c); err != nil {
			t.Fatal(err)
		}
		if err := printCard(&cards[i], c.Keys.Receipt, envelope.RoleReceipt, "server"); err != nil {
			t.Fatal(err)
		}
	}
	if cards[0].String() != cards[1].String() || !strings.Contains(cards[0].String(), `"role": "receipt"`) {
		t.Errorf("cards %s and %s", &cards[0], &cards[1])
	}
	for _, dir := range append(c.Vault.Copies, append(c.Vault.Keys, c.Files.Dir)...) {
		if mode := modeOf(t, dir); mode != 0o700 {
			t.Errorf("%s has mode %v", dir, mode)
		}
	}
	for _, file := range []string{path, c.Keys.Receipt} {
		if mode := modeOf(t, file); mode != 0o600 {
			t.Errorf("%s has mode %v", file, mode)
		}
	}
}

func TestAttackReadableKeyIsRefused(t *testing.T) {
	t.Parallel()
	c := defaults(newState(t))
	if err := makeAll(filepath.Join(c.State, configName), c); err != nil {
		t.Fatal(err)
	}
	if err := selfMade(filepath.Join(c.State, "tls"), time.Now()); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(c.State, "tls", "server.key")
	for _, path := range []string{c.Keys.Receipt, key} {
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := sign.LoadKey(c.Keys.Receipt); err == nil {
		t.Error("a receipt key that others may read was taken")
	}
	if err := (&server{config: c}).openTLS(t.Context()); err == nil {
		t.Error("a TLS key that others may read was taken")
	}
}

func TestDoctorFindsAStrayKey(t *testing.T) {
	t.Parallel()
	c := defaults(newState(t))
	if err := makeAll(filepath.Join(c.State, configName), c); err != nil {
		t.Fatal(err)
	}
	s := &server{config: c}
	if f := s.checkRoot(t.Context()); f.Status != pass {
		t.Errorf("%+v", f)
	}
	raw, err := os.ReadFile(c.Keys.Receipt)
	if err != nil {
		t.Fatal(err)
	}
	stray := map[string]string{
		"root.key":     string(raw),
		"p384.key":     "chancery/v1/ecdsa-p384-private-key\nAA==\n",
		"keyring.json": "{}", // what a keyring, as the root's is, has in the clear
	}
	for name, text := range stray {
		path := filepath.Join(c.Files.Dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if f := s.checkRoot(t.Context()); f.Status != fail {
			t.Errorf("a stray %s: %+v", name, f)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}
