package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chancery/cmd/internal/client"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/suitetest"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func try(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestInitTwiceGivesOneCard(t *testing.T) {
	t.Parallel()
	secret := write(t, "passphrase", "correct horse\n")
	ring := filepath.Join(t.TempDir(), "keys")
	args := []string{"init", "--keyring", ring, "--passphrase-file", secret, "--name", "rec-1", "--suite", string(suitetest.Suite())}
	code, first, stderr := try(t, args...)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	var c card
	if err := json.Unmarshal([]byte(first), &c); err != nil {
		t.Fatal(err)
	}
	if c.Version != 1 || c.Role != envelope.RoleRecorder || c.Name != "rec-1" || envelope.CheckPublicKey(c.Key) != nil || seal.CheckRecipient(suitetest.Suite(), c.Recipient) != nil {
		t.Fatalf("card is %+v", c)
	}
	if code, again, _ := try(t, args...); code != 0 || again != first {
		t.Fatalf("exit %d, another card", code)
	}
	wrong := write(t, "passphrase", "wrong\n")
	if code, _, _ := try(t, "init", "--keyring", ring, "--passphrase-file", wrong); code != client.ExitFailure {
		t.Fatalf("a wrong passphrase: exit %d", code)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	full := []string{
		"--server", "https://127.0.0.1:1", "--org", strings.Repeat("0", 64), "--keyring", "k", "--passphrase-file", "p", "--copy", "c", "--vault-keys", "v",
	}
	with := func(args ...string) []string { return append(append([]string{"serve"}, full...), args...) }
	cases := map[string]struct {
		args []string
		say  string
	}{
		"no settings":        {[]string{"serve"}, "is missing"},
		"unknown flag":       {[]string{"serve", "--nope"}, "unknown flag"},
		"bad org":            {with("--org", "xyz"), "--org"},
		"bad poll":           {with("--poll", "0s"), "--poll"},
		"unknown setting":    {[]string{"serve", "--config", write(t, "c.yaml", "sever: x\n")}, `"sever" is not known`},
		"setting twice":      {[]string{"serve", "--config", write(t, "c.yaml", "server: x\nserver: y\n")}, "already defined"},
		"a list for a value": {[]string{"serve", "--config", write(t, "c.yaml", "server: [x]\n")}, "cannot"},
		"status of nothing":  {[]string{"status"}, "--status is missing"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := try(t, c.args...)
			if code != client.ExitUsage || !strings.Contains(stderr, c.say) {
				t.Errorf("exit %d: %s", code, stderr)
			}
		})
	}
}

// Flags go before the environment, and that before the file.
func TestSettingsOrder(t *testing.T) {
	t.Setenv("CHANCERY_RECORDER_ORG", "from-environment")
	t.Setenv("CHANCERY_RECORDER_COPY", "from-environment")
	path := write(t, "c.yaml", "org: from-file\ncopy: from-file\nserver: from-file\nname: of-another-command\npoll: 3s\n")
	c := serveCommand()
	root := initCommand()
	root.AddCommand(c, initCommand())
	if err := c.ParseFlags([]string{"--org", "from-flag", "--config", path}); err != nil {
		t.Fatal(err)
	}
	if err := settle(c); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"org": "from-flag", "copy": "from-environment", "server": "from-file", "poll": "3s"} {
		if got := c.Flags().Lookup(name).Value.String(); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestStatusStaysOnThisHost(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"0.0.0.0:0", "chat.example:80", "127.0.0.1", ":0"} {
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if err := serveStatus(ctx, address, func() status { return status{} }); exitCode(err) != client.ExitUsage {
			t.Errorf("%s: %v", address, err)
		}
	}
}
