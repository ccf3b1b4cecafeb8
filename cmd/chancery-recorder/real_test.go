package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"chancery/core"
	"chancery/core/api"
	"chancery/core/coretest"
	"chancery/core/live"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/suitetest"
)

// desk is a real server over TLS with a recorded channel, and the recorders'
// command beside it, each with a home of its own.
type desk struct {
	*coretest.Server
	*coretest.Channel
	admin, ann *coretest.Person
	hub        *live.Hub
	url, ca    string
	homes      []*home
	*home      // the first
}

// home is one recorder: its listing, and how it is started.
type home struct {
	dir    string
	listed envelope.Party
	args   []string
}

func newDesk(t *testing.T) *desk { return newDeskBy(t, 1) }

// newDeskBy is a desk whose channel is recorded by so many.
func newDeskBy(t *testing.T, recorders int) *desk {
	s := coretest.Start(t)
	d := &desk{Server: s, admin: s.Found(envelope.CaptureRequired)}
	d.listen(t)
	var by []envelope.KeyID
	for i := range recorders {
		h := d.newHome(t, fmt.Sprintf("rec-%d", i+1))
		by = append(by, h.listed.ID())
	}
	slices.SortFunc(by, envelope.CompareKey)
	d.home = d.homes[0]
	d.ann = s.Join("members.ann")
	bob := s.Join("members.bob")
	team, err := s.CreateTeam(t.Context(), d.admin.P, wire.NewTeam{Name: "desk", Title: "Desk"})
	s.Must(err)
	for _, name := range []string{"members.ann", "members.bob"} {
		s.Must(s.AddTeamMember(t.Context(), d.admin.P, team.ID, wire.TeamMember{Username: name}))
	}
	d.Channel = d.ann.Open(team.ID, "fx", envelope.CaptureRequired, by, bob)
	return d
}

// listen serves the API until the test ends.
func (d *desk) listen(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	d.hub = live.NewHub(live.Config{Log: quiet})
	web := httptest.NewTLSServer(api.New(api.Config{Core: d.Service, Gate: d.Gate, Live: d.hub, Log: quiet}))
	t.Cleanup(web.Close)
	ctx, stop := context.WithCancel(context.Background())
	closed := make(chan error, 1)
	go func() { closed <- d.hub.Run(ctx) }()
	t.Cleanup(func() { stop(); d.Must(<-closed) })
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	d.url, d.ca = web.URL, write(t, "ca.pem", string(ca))
}

// newHome makes a recorder by the command and has the root list its card.
func (d *desk) newHome(t *testing.T, name string) *home {
	t.Helper()
	h := &home{dir: t.TempDir()}
	secret, ring := write(t, "passphrase", "correct horse\n"), filepath.Join(h.dir, "ring")
	code, out, stderr := try(t, "init", "--keyring", ring, "--passphrase-file", secret, "--name", name, "--suite", string(suitetest.Suite()))
	if code != 0 {
		t.Fatal(stderr)
	}
	var c card
	d.Must(json.Unmarshal([]byte(out), &c))
	h.listed = envelope.Party{Role: c.Role, Name: c.Name, Key: c.Key, Recipient: c.Recipient}
	d.List(d.admin, h.listed)
	h.args = []string{
		"serve", "--server", d.url, "--ca", d.ca, "--org", d.Org().ID().String(), "--keyring", ring, "--passphrase-file", secret,
		"--copy", filepath.Join(h.dir, "copy"), "--vault-keys", filepath.Join(h.dir, "keys"), "--poll", "50ms",
	}
	d.homes = append(d.homes, h)
	return h
}

// output is what a running command prints.
type output struct {
	mu sync.Mutex
	bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.Buffer.Write(b)
}
func (o *output) text() string { o.mu.Lock(); defer o.mu.Unlock(); return o.Buffer.String() }

// serve runs the recorder until stop is called.
func (h *home) serve(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var out output
	done := make(chan int, 1)
	go func() { done <- run(ctx, h.args, &out, &out) }()
	return func() {
		t.Helper()
		cancel()
		if code := <-done; code != 0 {
			t.Errorf("exit %d: %s", code, out.text())
		}
		if t.Failed() {
			t.Log(out.text())
		}
	}
}

// until follows the channel until ok.
func (d *desk) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		list, err := d.Entries(t.Context(), d.ann.P, d.ID, d.State.Position, 100, core.AllEntries)
		d.Must(err)
		for _, raw := range list.Entries {
			p, err := envelope.ParsePlaced(raw)
			d.Must(err)
			d.Must(d.State.Apply(p))
		}
		if ok() {
			return
		}
		if time.Now().After(end) {
			t.Errorf("waited for %s in vain", what)
			return
		}
	}
}

func TestRecordOnRealServer(t *testing.T) {
	d := newDesk(t)
	recorder := d.State.Genesis.Recorders[0]
	if _, ok := d.State.Current(); ok {
		t.Fatal("an epoch is current before it was acknowledged")
	}
	stop := d.serve(t)
	d.until(t, "acknowledgement", func() bool { _, ok := d.State.Current(); return ok })
	if !t.Failed() {
		for range 3 {
			d.Place(d.ann, d.Seal(d.ann, "captured"))
		}
		said := d.State.Position
		d.until(t, "coverage", func() bool { return d.State.Covered(recorder) >= said })
	}
	stop()
	if t.Failed() {
		return
	}

	// Away for a while, the recorder catches up. From then on the live socket
	// wakes it long before it would look by itself.
	d.Place(d.ann, d.Seal(d.ann, "written while it was away"))
	said := d.State.Position
	d.args = append(d.args, "--poll", "2m")
	defer d.serve(t)()
	d.until(t, "coverage after a restart", func() bool { return d.State.Covered(recorder) >= said })
	d.Place(d.ann, d.Seal(d.ann, "announced"))
	said = d.State.Position
	d.until(t, "coverage of what was announced", func() bool {
		d.announce(t, said) // again and again: nobody tells when it has subscribed
		return d.State.Covered(recorder) >= said
	})
}

// announce tells those who listen of an entry, as the server's writer does.
func (d *desk) announce(t *testing.T, position uint64) {
	t.Helper()
	list, err := d.Entries(t.Context(), d.ann.P, d.ID, position-1, 1, core.AllEntries)
	d.Must(err)
	p, err := envelope.ParsePlaced(list.Entries[0])
	d.Must(err)
	d.hub.Publish(d.ID, p)
}

// Killed at any moment, the recorder goes on where its disk is: everything is
// covered in the end, once, and its copy is whole.
func TestKilledRecorder(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a process again and again")
	}
	d := newDesk(t)
	recorder := d.State.Genesis.Recorders[0]
	var said uint64
	for i := range 5 {
		kill := d.spawn(t)
		d.until(t, "acknowledgement", func() bool { _, ok := d.State.Current(); return ok })
		for range 3 {
			d.Place(d.ann, d.Seal(d.ann, "captured"))
		}
		said = d.State.Position
		time.Sleep(time.Duration(500+700*i) * time.Millisecond) // coverage falls due at 2 s
		kill()
		d.until(t, "entries", func() bool { return true })
		if t.Failed() {
			return
		}
	}
	stop := d.serve(t)
	d.until(t, "coverage", func() bool { return d.State.Covered(recorder) >= said })
	stop()
}

// spawn runs the recorder as a process and gives what kills it.
func (h *home) spawn(t *testing.T) (kill func()) {
	t.Helper()
	var out output
	c := exec.Command(os.Args[0], h.args...)
	c.Env = append(os.Environ(), asRecorder+"=1")
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		err := errors.Join(c.Process.Kill(), c.Wait())
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.Exited() {
			t.Errorf("it ended by itself: %v", err)
		}
		if t.Failed() {
			t.Log(out.text())
		}
	}
}
