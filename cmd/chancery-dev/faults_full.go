package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// fullFiles: a file is refused and text is not; the same file goes on once there
// is room, and then nothing half written is left.
func (x *trouble) fullFiles(_ context.Context, s *story, d *disk) error {
	fay := x.talkers[0]
	report, err := fay.file("report.bin", []byte(strings.Repeat("sealed ", 100_000)))
	if err != nil {
		return err
	}
	if err := d.fill(); err != nil {
		return err
	}
	if err := refusedFor(fay.fails("post", desk, "--attach", report, "no room for this"), "storage.full", "disk of the server is full"); err != nil {
		return err
	}
	if err := fay.post("fay says so 1: text still goes"); err != nil {
		return err
	}
	if err := d.free(); err != nil {
		return err
	}
	text := "fay says so 2: the report"
	if err := fay.say(text, "post", desk, "--attach", report, text); err != nil {
		return err
	}
	left, err := leftovers(filepath.Join(d.dir, "incoming"))
	if err != nil || len(left) > 0 {
		return errors.Join(fmt.Errorf("left on the disk: %v", left), err)
	}
	s.note("507 storage.full, text went on; then the file went on, and nothing half written is left")
	return nil
}

// leftovers are the files beside the filler.
func leftovers(dir string) (left []string, err error) {
	err = filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() && filepath.Base(path) != filler {
			left = append(left, path)
		}
		return err
	})
	return left, err
}

// aPage is more trees than the rest of a page takes, which a full disk still has.
const aPage = 40

// fullVault: a channel needs its tree in every copy, and a message needs every
// copy to be there.
func (x *trouble) fullVault(_ context.Context, s *story, d *disk) error {
	fay := x.talkers[0]
	if err := d.fill(); err != nil {
		return err
	}
	name, failed := "", error(nil)
	for i := 0; failed == nil && i < aPage; i++ {
		name = fmt.Sprintf("cramped-%d", i)
		failed = fay.fails("channel", "create", name, "--team", "trading", "--private")
	}
	if err := refusedFor(failed, "storage.full", "disk of the server is full"); err != nil {
		return err
	}
	if err := fay.post("fay says so 3: channels that have their trees go on"); err != nil {
		return err
	}
	if err := d.free(); err != nil {
		return err
	}
	if _, err := fay.do("channel", "create", name, "--team", "trading", "--private"); err != nil {
		return err
	}
	if err := fay.say("", "post", "trading/"+name, "room enough"); err != nil {
		return err
	}
	s.note("no channel while one copy of the vault is full; then the same one")
	return x.lostCopy(s, d)
}

// lostCopy takes a copy's file away and brings it back.
func (x *trouble) lostCopy(s *story, d *disk) error {
	files, err := filepath.Glob(filepath.Join(d.dir, "generation-*"))
	if err != nil || len(files) != 1 {
		return fmt.Errorf("generations in %s: %v, %w", d.dir, files, err)
	}
	if err := os.Rename(files[0], files[0]+".away"); err != nil {
		return err
	}
	text := "fay says so 4: sent while a copy of the vault was lost"
	x.talkers[0].tried[text] = true // it stays queued, and goes first later
	failed := refusedFor(x.talkers[0].fails("post", desk, text), "unavailable", "vault does not keep this channel's tree in every copy")
	if err := errors.Join(failed, os.Rename(files[0]+".away", files[0])); err != nil {
		return err
	}
	s.note("no message while a copy is lost")
	return x.talkers[0].post("fay says so 5: it is back")
}

// fullRecorder: people go on in the old epoch; nothing is covered that the
// recorder could not keep; it catches up by itself.
func (x *trouble) fullRecorder(_ context.Context, s *story, d *disk) error {
	if err := d.fill(); err != nil {
		return err
	}
	fay := x.talkers[0]
	long := strings.Repeat("more than what was left of a page ", 300)
	if err := fay.post("fay says so 6: " + long); err != nil {
		return err
	}
	if _, err := logged(s.recorder, "no space left on device"); err != nil {
		return err
	}
	if _, err := fay.covered(desk); err == nil {
		return errors.New("covered, though the recorder had no room to keep it")
	}
	if err := d.free(); err != nil {
		return err
	}
	s.note("the recorder says so and covers nothing; people went on")
	return eventually(func() error { _, err := fay.covered(desk); return err })
}

// fullDatabase posts until the database has no room, and goes on once it has.
func (x *trouble) fullDatabase(_ context.Context, s *story, d *disk) error {
	if err := d.fill(); err != nil {
		return err
	}
	fay, n := x.talkers[0], len(x.talkers[0].placed)
	var failed error
	for i := 0; failed == nil && i < 400; i++ {
		text := fmt.Sprintf("fay says so 7: %04d %s", i, strings.Repeat("and so on ", 800))
		failed = fay.say(text, append([]string{"post", desk, text}, hurry...)...)
	}
	if err := refusedFor(failed, "storage.full", "disk of the server is full"); err != nil {
		return err
	}
	if err := d.free(); err != nil {
		return err
	}
	s.note("507 storage.full after %d more messages", len(fay.placed)-n)
	return eventually(func() error { return fay.post("fay says so 8: there is room again") })
}

// noLog makes PostgreSQL need a new segment of its write-ahead log when there is
// no room for one. It ends itself, and after three tries the server does.
func (x *trouble) noLog(ctx context.Context, s *story, d *disk) error {
	bin, err := postgresBin()
	if err != nil {
		return err
	}
	if err := d.fill(); err != nil {
		return err
	}
	args := []string{"-h", filepath.Join(s.state(), "db", "run"), "-U", "postgres", "-v", "ON_ERROR_STOP=1"}
	for range 40 { // some segments are there already
		args = append(args, "-c", "SELECT txid_current()", "-c", "SELECT pg_switch_wal()")
	}
	cmd := s.host.command(filepath.Join(bin, "psql"), append(args, "chancery")...)
	if out, err := cmd.CombinedOutput(); err == nil {
		return fmt.Errorf("PostgreSQL went on: %s", out)
	}
	select {
	case err = <-s.server.done:
		s.server.done <- err
	case <-time.After(patience):
		return errors.New("the server goes on without its database")
	}
	if err == nil {
		return errors.New("the server ended as if nothing was wrong")
	}
	if _, err := logged(s.server, "the private database is gone.*No space left on device"); err != nil {
		return err
	}
	if err := errors.Join(d.free(), s.launch()); err != nil {
		return err
	}
	if err := s.server.until(ctx, patience, s.isReady); err != nil {
		return err
	}
	return x.talkers[0].post("fay says so 9: started again, with room")
}
