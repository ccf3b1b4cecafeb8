package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"chancery/cmd/internal/client/session"
	"chancery/crypto/seal"
)

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
	w.recovery()
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

// secondDevice takes in another device of bob's by codes, a third by its ticket,
// and turns a fourth away by a wrong code.
func (w *world) secondDevice() {
	w.t.Helper()
	phone := w.joins("bob2", "bob", "phone")
	laptop := w.starts("bob", "device", "approve")
	laptop.types(phone.shown("Type this code on the other device:\n\n    "))
	phone.types(laptop.shown("Type this code on the other device:\n\n    "))
	laptop.ends(0)
	phone.ends(0)
	w.do("bob2", "post", "desk", "from my phone")
	all := w.messages("ada", "desk")
	if last := all[len(all)-1]; last.Text != "from my phone" || last.Username != "bob" {
		w.t.Errorf("ada reads %+v", last)
	}

	tablet := w.joins("bob3", "bob", "tablet")
	w.do("bob2", "device", "approve", tablet.shown("chancery device approve CHANCERY-DEVICE:"))
	tablet.ends(0)
	w.do("bob3", "tail", "desk")

	thief := w.joins("bob4", "bob", "phone")
	laptop = w.starts("bob", "device", "approve")
	thief.shown("Type this code on the other device:\n\n    ")
	laptop.types("000 000")
	laptop.ends(3)
	thief.ends(3)
	w.refused(4, "bob4", "tail", "desk")
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

// recovery brings carol back, who lost every device, to what she could read.
func (w *world) recovery() {
	w.t.Helper()
	w.refused(5, "carol", "recovery", "test", "--kit", w.file("none.txt", seal.NewKit().Reveal()))
	w.do("carol", "recovery", "create", "--out", "old.txt")
	w.do("carol", "recovery", "create", "--out", "kit.txt")
	w.do("carol", "recovery", "test", "--kit", "kit.txt")
	w.refused(4, "carol", "recovery", "test", "--kit", "old.txt")
	w.refused(2, "carol", "recovery", "test", "--kit", w.file("typo.txt", strings.Replace(string(read(w.t, w.dir+"/kit.txt")), "kit  ", "kit  0", 1)))

	w.do("carol2", "login", "carol", "--password-file", "pw-carol")
	w.refused(4, "carol2", "recovery", "use", "--kit", "old.txt")
	w.do("carol2", "recovery", "use", "--name", "new laptop", "--kit", "kit.txt")
	if out := w.do("carol2", "device", "list"); strings.Contains(out, "carol's laptop") || !strings.Contains(out, "new laptop") {
		w.t.Errorf("carol's devices: %s", out)
	}
	w.refused(4, "carol", "dm", "bob")
	w.do("carol2", "dm", "bob", "-m", "back again")
	if got := textsOf(w.messages("bob", w.dmWith("bob", "carol"))); got != "just us|back again" {
		w.t.Errorf("bob reads %q", got)
	}
	if got := textsOf(w.messages("carol2", w.dmWith("carol2", "bob"))); got != "just us|back again" {
		w.t.Errorf("carol reads %q", got)
	}
	w.do("carol3", "login", "carol", "--password-file", "pw-carol")
	w.refused(5, "carol3", "recovery", "use", "--kit", "kit.txt")
}

func (w *world) dmWith(who, other string) string {
	w.t.Helper()
	var id struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(w.do(who, "dm", other, "--json")), &id); err != nil {
		w.t.Fatal(err)
	}
	return id.ID
}

func (w *world) removal() {
	w.t.Helper()
	w.do("ada", "channel", "remove", "desk", "carol")
	w.do("ada", "post", "desk", "without carol")
	if stderr := w.refused(5, "carol2", "tail", "desk"); !strings.Contains(stderr, "next:") {
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
