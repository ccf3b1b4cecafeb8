package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// export sends the desk's records to the auditor on an approved schedule.
func (s *story) export(context.Context) error {
	rita, leo := s.people["rita"], s.people["leo"]
	id, err := s.channelID(s.people["fay"], desk)
	if err != nil {
		return err
	}
	args := []string{"export", "schedule", "fx-daily", "--channel", id, "--auditor", "outside auditor", "--cron", "0 2 * * *", "--zone", "Europe/Zurich"}
	if _, err := rita.do(args...); err != nil {
		return err
	}
	if _, err := rita.do("export", "approve", "fx-daily"); refusedBy(err, "dual.same_person") != nil {
		return refusedBy(err, "dual.same_person")
	}
	if _, err := leo.do("export", "approve", "fx-daily"); err != nil {
		return err
	}
	_, err = s.runExport()
	return err
}

// runExport has an archive made and brings it to the auditor, who keeps them all
// in one directory.
func (s *story) runExport() (dir string, err error) {
	var x struct {
		ID       string `json:"id"`
		Path     string `json:"path"`
		Records  int    `json:"records"`
		Messages int    `json:"messages"`
	}
	if err := s.people["rita"].ask(&x, "export", "run", "fx-daily", "--wait", "60s"); err != nil {
		return "", err
	}
	s.note("archive %.16s: %d records, %d messages", x.ID, x.Records, x.Messages)
	return s.handOver(x.ID, x.Path)
}

// handOver brings archive and key slip to the auditor, as a courier would.
func (s *story) handOver(id, path string) (dir string, err error) {
	dir = filepath.Join(s.auditor.home, "archives", id)
	slips, err := filepath.Glob(filepath.Join(s.state(), "slips", "*"+id+"*"))
	if err != nil || len(slips) != 1 {
		return "", fmt.Errorf("%d key slips for archive %s: %w", len(slips), id, err)
	}
	raw, err := os.ReadFile(slips[0])
	if err != nil {
		return "", err
	}
	slip, err := s.auditor.file("slip-"+id, raw)
	if err != nil {
		return "", err
	}
	if s.archive == "" {
		s.archive, s.slip = dir, slip
	}
	return dir, s.auditor.take(path, dir)
}

// take gives the party a directory of its own with the same files.
func (p *party) take(from, to string) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	if err := p.own(filepath.Dir(to)); err != nil {
		return err
	}
	return filepath.WalkDir(to, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return p.own(path)
	})
}

func (s *story) audit(args ...string) (answer, error) {
	return run(s.auditor.command(s.binary("chancery-audit"), args...), nil, args)
}

// verify climbs the ladder with one binary, the organisation's id and nothing
// else.
func (s *story) verify(context.Context) error {
	// The desk goes on meanwhile: this is for the second archive.
	if _, err := s.people["fay"].do("post", desk, "said after the first archive"); err != nil {
		return err
	}
	a, err := s.audit("verify", s.archive, "--org", s.id)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, a.out)
	}
	for line := range strings.Lines(a.out) {
		s.note("%s", strings.TrimRight(line, "\n"))
	}
	return nil
}

// converted is one line of the auditor's JSON lines.
type converted struct {
	Kind   string `json:"kind"`
	Text   string `json:"text"`
	Target uint64 `json:"target"`
	At     uint64 `json:"position"`
	Files  []struct {
		SHA256 string `json:"sha256"`
	} `json:"files"`
}

// convert opens the archive and compares it with what people typed.
func (s *story) convert(context.Context) error {
	out := filepath.Join(s.auditor.home, "desk.jsonl")
	key := filepath.Join(s.auditor.home, "key", "identity")
	a, err := s.audit("convert", s.archive, "--org", s.id, "--slip", s.slip, "--identity", key, "--format", "jsonl", "--out", out)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, a.out)
	}
	raw, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	texts, files, err := folded(string(raw))
	if err != nil {
		return err
	}
	for i, text := range texts {
		if i >= len(s.told) || sum([]byte(text)) != s.told[i].sum() {
			return fmt.Errorf("message %d of the archive reads %.60q", i, text)
		}
	}
	if len(texts) != len(s.told) || !slices.Equal(files, s.files) {
		return fmt.Errorf("the archive has %d texts and %d files; typed were %d and %d", len(texts), len(files), len(s.told), len(s.files))
	}
	all := ""
	for _, text := range texts {
		all += sum([]byte(text))
	}
	s.note("%d texts and %d files equal what was typed; SHA-256 over all text hashes %s", len(texts), len(files), sum([]byte(all)))
	return nil
}

// folded applies edits and deletes, as people see the channel.
func folded(lines string) (texts, files []string, err error) {
	var all []converted
	at := map[uint64]int{}
	for d := json.NewDecoder(strings.NewReader(lines)); d.More(); {
		var m converted
		if err := d.Decode(&m); err != nil {
			return nil, nil, err
		}
		switch i, known := at[m.Target]; {
		case m.Kind == "edit" && known:
			all[i].Text = m.Text
		case m.Kind == "delete" && known:
			all[i].Kind = "deleted"
		case m.Kind == "post":
			at[m.At] = len(all)
			all = append(all, m)
		default:
			return nil, nil, fmt.Errorf("a %s of %d, which is not there", m.Kind, m.Target)
		}
	}
	for _, m := range all {
		if m.Kind == "deleted" {
			continue
		}
		texts = append(texts, m.Text)
		for _, f := range m.Files {
			files = append(files, f.SHA256)
		}
	}
	return texts, files, nil
}
