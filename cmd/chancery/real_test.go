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
	"slices"
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

func TestTalkOnRealServer(t *testing.T) {
	w := newWorld(t)
	w.found()
	w.do("ada", "team", "create", "trading")
	w.do("ada", "team", "add", "trading", "bob")
	w.do("ada", "team", "add", "trading", "carol")
	w.agent("ada")
	w.agent("bob")
	w.do("ada", "channel", "create", "desk", "--team", "trading", "--private")
	w.do("ada", "channel", "add", "desk", "bob")

	w.do("ada", "post", "trading/desk", "hello", "bob")
	w.do("bob", "post", "desk", "hello ada")
	if code, _, e := w.try("bob", "from standard input\n", "post", "desk"); code != 0 {
		t.Errorf("post from standard input: %d %s", code, e)
	}
	all := w.messages("ada", "desk")
	if got, want := textsOf(all), "hello bob|hello ada|from standard input"; got != want {
		t.Fatalf("ada reads %q, want %q", got, want)
	}
	at := func(i int) string { return fmt.Sprint(all[i].Position) }
	w.do("ada", "post", "desk", "--edit", at(0), "good morning, bob")
	w.do("bob", "post", "desk", "--delete", at(2))
	w.refused(4, "bob", "post", "desk", "--edit", at(0), "forged")
	if got, want := textsOf(w.messages("bob", "desk")), "good morning, bob|hello ada|"; got != want {
		t.Errorf("bob reads %q, want %q", got, want)
	}
	w.refused(5, "carol", "post", "desk", "let me in")

	w.file("report.bin", strings.Repeat("sealed ", 20000))
	w.do("ada", "post", "desk", "--attach", "report.bin", "the report")
	all = w.messages("bob", "desk")
	w.do("bob", "file", "get", "desk", fmt.Sprint(all[len(all)-1].Position), "-o", "got.bin")
	if a, b := read(t, w.dir+"/report.bin"), read(t, w.dir+"/got.bin"); !bytes.Equal(a, b) {
		t.Errorf("the file came back with %d bytes of %d", len(b), len(a))
	}

	w.follow()
	w.bulk()
	w.secondDevice()
	w.direct()
	w.removal()
	w.leaving()
}

func TestRecordedOnRealServer(t *testing.T) {
	w := newWorld(t)
	w.found()
	w.do("ada", "key", "new", "--role", "recorder", "--name", "rec-1", "--out", "rec")
	w.do("ada", "org", "list-party", "recorder", "--card", "rec/card.json", "--root-home", "root")
	w.do("ada", "org", "list-party", "compliance", "--user", "ada", "--root-home", "root")
	w.do("ada", "org", "list-party", "legal", "--user", "bob", "--root-home", "root")
	var org struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(w.do("ada", "org", "show", "--json")), &org); err != nil {
		t.Fatal(err)
	}
	w.do("ada", "team", "create", "trading")
	w.do("ada", "team", "add", "trading", "bob")
	w.agent("ada")
	w.agent("bob")
	w.do("ada", "channel", "create", "desk", "--team", "trading", "--private", "--capture", "required")
	w.do("ada", "channel", "add", "desk", "bob")
	w.run("/chancery-recorder", "serve", "--server", "https://"+w.addr, "--ca", w.dir+"/state/tls/ca.pem", "--org", org.ID,
		"--keyring", w.dir+"/rec", "--passphrase-file", w.dir+"/pass", "--copy", w.dir+"/copy", "--vault-keys", w.dir+"/reckeys", "--poll", "100ms")
	w.do("ada", "post", "desk", "on the record")
	w.file("deal.txt", "the deal")
	w.do("bob", "post", "desk", "with a file", "--attach", "deal.txt")
	all := w.captured("ada", "desk")
	w.do("ada", "file", "get", "desk", fmt.Sprint(all[1].Position), "-o", "deal.got")
	if got := string(read(t, w.dir+"/deal.got")); got != "the deal" {
		t.Errorf("the file came back as %q", got)
	}
	if out := w.do("ada", "channel", "show", "desk"); !strings.Contains(out, "recorded  by rec-1") {
		t.Errorf("channel show: %s", out)
	}
	w.hold(fmt.Sprint(all[0].Position))
}

// captured waits until every message is.
func (w *world) captured(who, channel string) []session.Message {
	w.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		all := w.messages(who, channel)
		if !slices.ContainsFunc(all, func(m session.Message) bool { return !m.Captured }) {
			return all
		}
		if time.Now().After(end) {
			w.t.Fatalf("not captured: %+v", all)
		}
	}
}

// hold is ordered by one person and approved by another.
func (w *world) hold(position string) {
	w.t.Helper()
	w.do("ada", "matter", "create", "fx-2026", "--title", "FX inquiry")
	var h struct{ ID string }
	if err := json.Unmarshal([]byte(w.do("ada", "hold", "create", "FX", "--matter", "fx-2026", "--channel", "desk", "--json")), &h); err != nil {
		w.t.Fatal(err)
	}
	w.refused(4, "ada", "hold", "approve", h.ID)
	w.do("bob", "hold", "approve", h.ID)
	if out := w.do("ada", "hold", "show", h.ID); !strings.Contains(out, "state     active") || !strings.Contains(out, "hold.approve") {
		w.t.Errorf("hold show:\n%s", out)
	}
	if out := w.do("ada", "why", "desk", position); !strings.Contains(out, "hold") {
		w.t.Errorf("why: %s", out)
	}
	w.do("ada", "retention", "rule", "desk", "--channel", "desk", "--max", "1h")
	if out := w.do("ada", "retention", "rule"); !strings.Contains(out, "1h0m0s") {
		w.t.Errorf("rules: %s", out)
	}
	w.refused(5, "bob", "hold", "release-approve", h.ID) // nobody asked yet
	w.do("ada", "hold", "release", h.ID, "--reason", "closed")
	w.do("bob", "hold", "release-approve", h.ID)
}

// follow waits for a live message in tail -f, through an agent and without.
func (w *world) follow() {
	w.t.Helper()
	w.do("ada", "channel", "add", "desk", "carol")
	for _, who := range []string{"bob", "carol"} {
		ctx, stop := context.WithCancel(w.t.Context())
		r, out := io.Pipe()
		var log bytes.Buffer
		done := make(chan int, 1)
		go func() {
			done <- w.command(who, strings.NewReader(""), out, &log, "tail", "desk", "-f").execute(ctx)
			out.Close()
		}()
		time.Sleep(time.Second)
		w.do("ada", "post", "desk", "live for "+who)
		lines := bufio.NewScanner(r)
		found := false
		timer := time.AfterFunc(20*time.Second, stop)
		for !found && lines.Scan() {
			found = strings.Contains(lines.Text(), "live for "+who)
		}
		if timer.Stop(); !found {
			w.t.Errorf("%s never saw the live message\n%s", who, log.String())
		}
		stop()
		go io.Copy(io.Discard, r)
		<-done
	}
}

// bulk posts many messages in one run; they stand in the file's order.
func (w *world) bulk() {
	w.t.Helper()
	var text strings.Builder
	var want []string
	for i := range 300 {
		line := fmt.Sprintf("line %d\twith ünïcödé אבג", i)
		want = append(want, line)
		b, err := json.Marshal(utterance{Text: line})
		if err != nil {
			w.t.Fatal(err)
		}
		text.Write(append(b, '\n'))
	}
	w.file("talk.jsonl", text.String())
	began := time.Now()
	w.do("ada", "post", "desk", "--from", "talk.jsonl")
	w.t.Logf("300 messages in %v", time.Since(began))
	all := w.messages("bob", "desk")
	if got := textsOf(all[len(all)-300:]); got != strings.Join(want, "|") {
		w.t.Errorf("bob reads %.300q", got)
	}
}

// secondDevice takes in another device of bob's, which then writes.
func (w *world) secondDevice() {
	w.t.Helper()
	w.do("bob2", "login", "bob", "--password-file", "pw-bob")
	var out, log syncBuffer
	done := make(chan int, 1)
	go func() {
		done <- w.command("bob2", strings.NewReader(""), &out, &log, "device", "enroll", "--name", "phone").execute(w.t.Context())
	}()
	var code string
	for end := time.Now().Add(20 * time.Second); code == "" && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if i := strings.Index(log.String(), "approve \""); i >= 0 {
			code = log.String()[i+9 : i+9+19]
		}
	}
	w.do("bob", "device", "approve", code)
	if c := <-done; c != 0 {
		w.t.Fatalf("second device: exit %d\n%s", c, log.String())
	}
	w.do("bob2", "post", "desk", "from my phone")
	all := w.messages("ada", "desk")
	if last := all[len(all)-1]; last.Text != "from my phone" || last.Username != "bob" {
		w.t.Errorf("ada reads %+v", last)
	}
}

func (w *world) direct() {
	w.t.Helper()
	one := w.do("bob", "dm", "carol", "--json")
	w.do("carol", "dm", "bob", "-m", "just us")
	if two := w.do("bob", "dm", "carol", "--json"); one != two {
		w.t.Errorf("a second direct channel: %s and %s", one, two)
	}
	var id struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(one), &id); err != nil {
		w.t.Fatal(err)
	}
	if got := textsOf(w.messages("bob", id.ID)); got != "just us" {
		w.t.Errorf("bob reads %q", got)
	}
}

func (w *world) removal() {
	w.t.Helper()
	w.do("ada", "channel", "remove", "desk", "carol")
	w.do("ada", "post", "desk", "without carol")
	if stderr := w.refused(5, "carol", "tail", "desk"); !strings.Contains(stderr, "next:") {
		w.t.Errorf("carol is told %q", stderr)
	}
}

// leaving: an owner who is disabled waits for a key that the server has not.
func (w *world) leaving() {
	w.t.Helper()
	card, err := exec.Command(w.dir+"/chanceryd", "card", "removal", "--config", w.dir+"/chancery.yaml").Output()
	if err != nil {
		w.t.Fatal(err)
	}
	w.file("removal.json", string(card))
	w.do("ada", "org", "list-party", "removal", "--card", "removal.json", "--root-home", "root")
	w.do("bob", "channel", "create", "bobs", "--team", "trading", "--private")
	w.do("bob", "channel", "add", "bobs", "ada")
	w.do("ada", "post", "bobs", "hello, bob")
	w.refused(4, "carol", "people", "disable", "bob", "--reason", "because")
	w.do("ada", "people", "disable", "bob", "--reason", "left the firm")
	w.refused(4, "bob", "people", "leaving")
	w.leaves("second_key")
	w.do("ada", "key", "new", "--role", "removal", "--name", "legal's", "--out", "second")
	w.refused(1, "ada", "people", "countersign", "bob", "--key-home", "second")
	w.do("ada", "org", "list-party", "removal", "--card", "second/card.json", "--root-home", "root")
	w.do("ada", "people", "countersign", "bob", "--key-home", "second")
	w.leaves("")
	w.do("ada", "post", "bobs", "who is the owner now?")
	if got := textsOf(w.messages("ada", "bobs")); got != "hello, bob|who is the owner now?" {
		w.t.Errorf("ada reads %q", got)
	}
}

// leaves waits until the departures that there are wait for one thing.
func (w *world) leaves(why string) {
	w.t.Helper()
	var out string
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		out = w.do("ada", "people", "leaving", "--json")
		var all []struct {
			Waits string `json:"waits"`
		}
		if err := json.Unmarshal([]byte(out), &all); err != nil {
			w.t.Fatal(err)
		}
		if why == "" && len(all) == 0 || len(all) > 0 && !slices.ContainsFunc(all, func(d struct {
			Waits string `json:"waits"`
		}) bool {
			return d.Waits != why
		}) {
			return
		}
	}
	w.t.Fatalf("what waits: %s", out)
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
