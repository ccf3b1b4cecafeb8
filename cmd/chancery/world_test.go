package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chancery/cmd/internal/client/session"
	"chancery/identity/identitytest"
)

// world is the real server on a real directory, and people's homes.
type world struct {
	t    *testing.T
	dir  string
	addr string
}

// build makes programs, or takes those that CHANCERY_BIN has.
func build(t *testing.T, dir string, names ...string) {
	t.Helper()
	if bin := os.Getenv("CHANCERY_BIN"); bin != "" {
		for _, n := range names {
			if err := os.Symlink(filepath.Join(bin, n), filepath.Join(dir, n)); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	args := []string{"build", "-o", dir + "/"}
	for _, n := range names {
		args = append(args, "chancery/cmd/"+n)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if testing.Short() {
		t.Skip("starts PostgreSQL and slapd")
	}
	dir, err := os.MkdirTemp("", "chancery-cli-") // short: sockets live below
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir}
	build(t, dir, "chanceryd", "chancery-recorder")
	people, err := identitytest.StartDirectory(t.Context(), identitytest.Config{People: []identitytest.Person{
		{UID: "ada", Name: "Ada", Password: "pw-ada", Groups: []string{"admins", "officers"}},
		{UID: "bob", Name: "Bob", Password: "pw-bob", Groups: []string{"lawyers"}},
		{UID: "carol", Name: "Carol", Password: "pw-carol"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { people.Stop() })
	w.serve(people)
	return w
}

func (w *world) file(name, text string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

func (w *world) serve(d *identitytest.Directory) {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.addr = l.Addr().String()
	l.Close()
	conf := w.file("chancery.yaml", fmt.Sprintf(`state: %s/state
listen: %s
roles: {admins: admin, officers: officer, lawyers: legal}
ldap:
  - name: corp
    servers: [%s]
    ca: %s
    bind_dn: %q
    bind_password_file: %s
    base_dn: %q
    subject: entryUUID
    groups: search
    group_base_dn: %q
`, w.dir, w.addr, d.LDAPS, d.CAFile, d.BindDN, w.file("bindpw", d.BindPassword), d.BaseDN, d.BaseDN))
	out, err := exec.Command(w.dir+"/chanceryd", "init", "--config", conf).Output()
	if err != nil {
		w.t.Fatalf("chanceryd init: %v\n%s", err, err.(*exec.ExitError).Stderr)
	}
	w.file("receipt.json", string(out))
	w.run("/chanceryd", "serve", "--config", conf)
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if c, err := net.Dial("tcp", w.addr); err == nil {
			c.Close()
			return
		}
		if time.Now().After(end) {
			w.t.Fatal("the server does not come up")
		}
	}
}

// run starts a program that a SIGTERM ends when the test does.
func (w *world) run(name string, args ...string) {
	w.t.Helper()
	var log bytes.Buffer
	cmd := exec.Command(w.dir+name, args...)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			w.t.Errorf("%s: %v", name, err)
		}
		if w.t.Failed() {
			w.t.Logf("%s:\n%s", name, log.String())
		}
	})
}

// try runs one command as someone and gives its exit code and output.
func (w *world) try(who, in string, args ...string) (code int, out, stderr string) {
	var o, e bytes.Buffer
	code = w.command(who, strings.NewReader(in), &o, &e, args...).execute(w.t.Context())
	return code, o.String(), e.String()
}

func (w *world) command(who string, in io.Reader, out, stderr io.Writer, args ...string) *app {
	home := filepath.Join(w.dir, "homes", who)
	all := append([]string{"--home", home, "--server", "https://" + w.addr, "--ca", w.dir + "/state/tls/ca.pem",
		"--passphrase-file", w.dir + "/pass"}, args...)
	return &app{args: all, cwd: w.dir, in: in, out: out, err: stderr, now: time.Now}
}

func (w *world) do(who string, args ...string) string {
	w.t.Helper()
	code, out, stderr := w.try(who, "", args...)
	if code != 0 {
		w.t.Fatalf("%s: chancery %s: exit %d\n%s", who, strings.Join(args, " "), code, stderr)
	}
	return out
}

func (w *world) refused(code int, who string, args ...string) string {
	w.t.Helper()
	got, _, stderr := w.try(who, "", args...)
	if got != code {
		w.t.Errorf("%s: chancery %s: exit %d, want %d\n%s", who, strings.Join(args, " "), got, code, stderr)
	}
	return stderr
}

// messages reads a channel as one sees it.
func (w *world) messages(who, channel string, more ...string) []session.Message {
	w.t.Helper()
	var all []session.Message
	for line := range strings.Lines(w.do(who, append([]string{"tail", channel, "--json"}, more...)...)) {
		var m session.Message
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

func textsOf(all []session.Message) string {
	var out []string
	for _, m := range all {
		out = append(out, m.Text)
	}
	return strings.Join(out, "|")
}

// agent runs a person's agent until the test ends.
func (w *world) agent(who string) {
	w.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r, out := io.Pipe()
	var log syncBuffer
	done := make(chan int, 1)
	go func() { done <- w.command(who, strings.NewReader(""), out, &log, "agent", "start").execute(ctx) }()
	w.t.Cleanup(func() {
		stop()
		if code := <-done; code != 0 {
			w.t.Errorf("agent of %s: exit %d", who, code)
		}
		if w.t.Failed() {
			w.t.Logf("agent of %s:\n%s", who, log.String())
		}
	})
	if line, err := bufio.NewReader(r).ReadString('\n'); err != nil || !strings.Contains(line, "ready") {
		w.t.Fatalf("agent of %s: %q %v\n%s", who, line, err, log.String())
	}
	go io.Copy(io.Discard, r)
}

func (w *world) found() {
	w.t.Helper()
	w.file("pass", "correct horse\n")
	for _, who := range []string{"ada", "bob", "carol"} {
		w.do(who, "login", who, "--password-file", w.file("pw-"+who, "pw-"+who+"\n"))
	}
	w.do("ada", "org", "init", "--name", "Example", "--root-home", w.dir+"/root", "--root-passphrase-file", w.dir+"/pass")
	w.do("ada", "org", "list-party", "receipt", "--card", "receipt.json", "--root-home", "root")
	for _, who := range []string{"ada", "bob", "carol"} {
		w.do(who, "device", "enroll", "--name", who+"'s laptop")
	}
}

// running is a command that somebody sits at.
type running struct {
	w    *world
	name string
	in   *io.PipeWriter
	said *syncBuffer
	done chan int
}

// starts runs a command that asks and is answered.
func (w *world) starts(who string, args ...string) *running {
	in, keys := io.Pipe()
	r := &running{w, who + ": chancery " + strings.Join(args, " "), keys, &syncBuffer{}, make(chan int, 1)}
	cmd := w.command(who, in, r.said, r.said, args...)
	go func() { r.done <- cmd.execute(w.t.Context()) }()
	w.t.Cleanup(func() {
		keys.Close()
		if w.t.Failed() {
			w.t.Logf("%s:\n%s", r.name, r.said)
		}
	})
	return r
}

// joins starts a device that asks to be taken in.
func (w *world) joins(home, who, name string) *running {
	w.t.Helper()
	w.do(home, "login", who, "--password-file", "pw-"+who)
	r := w.starts(home, "device", "enroll", "--name", name)
	r.shown("CHANCERY-DEVICE:")
	return r
}

// shown waits for a text and gives the rest of its line, with the word before.
func (r *running) shown(text string) string {
	r.w.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		all := r.said.String()
		i := strings.Index(all, text)
		if i < 0 || !strings.Contains(all[i+len(text):], "\n") {
			continue
		}
		if j := strings.LastIndexByte(text, ' '); j >= 0 && strings.HasSuffix(text, ":") {
			i += j + 1
			return strings.SplitN(all[i:], "\n", 2)[0]
		}
		return strings.SplitN(all[i+len(text):], "\n", 2)[0]
	}
	r.w.t.Fatalf("%s: never said %q", r.name, text)
	return ""
}

func (r *running) types(line string) {
	r.w.t.Helper()
	if _, err := io.WriteString(r.in, line+"\n"); err != nil {
		r.w.t.Fatal(err)
	}
}

func (r *running) ends(code int) {
	r.w.t.Helper()
	if got := <-r.done; got != code {
		r.w.t.Fatalf("%s: exit %d, want %d", r.name, got, code)
	}
}

// syncBuffer is written by a command and read by its test.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}
func (s *syncBuffer) String() string { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
