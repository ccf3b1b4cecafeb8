package archive_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chancery/compliance/archive"
	"chancery/compliance/archive/archivetest"
	"chancery/crypto/envelope"
	"chancery/crypto/sign"
	"chancery/crypto/suitetest"
)

const secondVerifier = "../../docs/formats/verify.py"

// verdict is what one verifier says of one archive. Rung is 0 when nothing up to
// rung 6 refused.
type verdict struct {
	Code int    `json:"code"`
	Rung int    `json:"rung"`
	Why  string `json:"why"`
}

// second asks the verifier that was written from docs/formats alone.
func second(t *testing.T, org envelope.OrgID, flags []string, dirs ...string) []verdict {
	t.Helper()
	for _, program := range []string{"python3", "zstd", "openssl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is missing: make deps", program)
		}
	}
	var complaints bytes.Buffer
	args := append([]string{secondVerifier, org.String()}, flags...)
	c := exec.CommandContext(t.Context(), "python3", append(args, dirs...)...)
	c.Stderr = &complaints
	out, err := c.Output()
	verdicts := []verdict{}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var v verdict
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		verdicts = append(verdicts, v)
	}
	if complaints.Len() > 0 || len(verdicts) == 0 {
		t.Fatalf("second verifier: %v: %s", err, &complaints)
	}
	return verdicts
}

// first is archive.Verify's word on rungs 1 to 6.
func first(r *archive.Report) verdict {
	for _, rung := range r.Rungs {
		if rung.Verdict == archive.Refused {
			return verdict{r.Exit, rung.Number, rung.Why}
		}
	}
	return verdict{Code: r.Exit}
}

// tally counts what was agreed on, so that a test can't pass by seeing nothing.
type tally map[verdict]int

// agree compares two verdicts. What the first refuses above rung 6 the second
// need not have seen; rungs 6 to 8 are one replay, so it may refuse later, on 6.
func (a tally) agree(t *testing.T, name string, one, two verdict) {
	t.Helper()
	above := one.Rung > 6
	same := one.Code == two.Code && one.Rung == two.Rung
	if !same && !(above && (two.Rung == 0 || two.Rung == 6)) {
		t.Errorf("%s: first says exit %d on rung %d (%s), second exit %d on rung %d (%s)", name, one.Code, one.Rung, one.Why, two.Code, two.Rung, two.Why)
	}
	a[verdict{Code: one.Code, Rung: one.Rung}]++
}

// damaged is a directory of one world's archives, each damaged in its own way.
type damaged struct {
	w     *archivetest.World
	good  string
	names []string
	dirs  []string
}

func (d *damaged) add(t *testing.T, name string, damage func(dir string)) {
	t.Helper()
	dir := copyBag(t, d.good)
	damage(dir)
	d.names, d.dirs = append(d.names, name), append(d.dirs, dir)
}

func (d *damaged) judge(t *testing.T, a tally) {
	t.Helper()
	verdicts := second(t, d.w.Org().ID(), nil, d.dirs...)
	if len(verdicts) != len(d.dirs) {
		t.Fatalf("%d verdicts on %d archives", len(verdicts), len(d.dirs))
	}
	for i, dir := range d.dirs {
		a.agree(t, d.names[i], first(verify(t, d.w, dir)), verdicts[i])
	}
}

// The pages in docs/formats suffice to write a verifier: one that was written
// from them says the same of good and of damaged archives.
func TestAttackSecondVerifierAgrees(t *testing.T) {
	t.Parallel()
	w, cut := standard(t)
	d := &damaged{w: w, good: cut.Dir}
	d.add(t, "good", func(string) {})
	damageFiles(t, d)
	damageAbout(t, d)
	damageLines(t, d)
	damageLog(t, d)
	damageSignatures(t, d)
	a := tally{}
	d.judge(t, a)
	for _, want := range []verdict{{Code: 0}, {Code: 3, Rung: 1}, {Code: 4, Rung: 1}, {Code: 3, Rung: 2}, {Code: 5, Rung: 2}, {Code: 3, Rung: 4},
		{Code: 4, Rung: 4}, {Code: 3, Rung: 5}, {Code: 4, Rung: 5}, {Code: 3, Rung: 6}, {Code: 4, Rung: 6}} {
		if a[want] == 0 {
			t.Errorf("no archive with exit %d on rung %d", want.Code, want.Rung)
		}
	}
	if len(d.dirs) < 50 {
		t.Errorf("%d archives only", len(d.dirs))
	}
	t.Logf("%d archives: %v", len(d.dirs), a)
}

// damageFiles changes, cuts, removes, adds, renames and swaps files, each once
// as it is and once with manifests and signatures that fit.
func damageFiles(t *testing.T, d *damaged) {
	t.Helper()
	random := rand.New(rand.NewPCG(3, 4))
	names := files(t, d.good)
	flip := func(dir, name string) {
		b := read(t, dir, name)
		if len(b) == 0 {
			b = []byte{' '}
		}
		b[random.IntN(len(b))] ^= byte(1 + random.IntN(255))
		write(t, dir, name, b)
	}
	remove := func(dir, name string) {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		d.add(t, name+" flipped", func(dir string) { flip(dir, name) })
		d.add(t, name+" removed", func(dir string) { remove(dir, name) })
		if strings.Contains(name, "manifest") || strings.HasPrefix(name, "archive.") {
			continue
		}
		d.add(t, name+" flipped and signed", func(dir string) { flip(dir, name); forge(t, dir, d.w.Signer) })
		d.add(t, name+" removed and signed", func(dir string) { remove(dir, name); forge(t, dir, d.w.Signer) })
		d.add(t, name+" emptied and signed", func(dir string) { write(t, dir, name, nil); forge(t, dir, d.w.Signer) })
	}
	for _, name := range []string{"extra.txt", "data/x", "data/UP", "log/tile/9/000", "data/records/000002.jsonl.zst",
		"data/files/" + strings.Repeat("a", 32), "data/certs/" + strings.Repeat("a", 64) + ".dsse",
		"data/policy/" + strings.Repeat("a", 64) + ".tar.gz"} {
		d.add(t, name+" added", func(dir string) { write(t, dir, name, []byte("x")) })
		d.add(t, name+" added and signed", func(dir string) { write(t, dir, name, []byte("x")); forge(t, dir, d.w.Signer) })
	}
	for _, pair := range [][2]string{{"data/identity/org.jsonl", "data/identity/users.jsonl"}, {"log/checkpoint", "archive.note"}} {
		swap := func(dir string) {
			x, y := read(t, dir, pair[0]), read(t, dir, pair[1])
			write(t, dir, pair[0], y)
			write(t, dir, pair[1], x)
		}
		d.add(t, pair[0]+" swapped", swap)
		d.add(t, pair[0]+" swapped and signed", func(dir string) { swap(dir); forge(t, dir, d.w.Signer) })
	}
	d.add(t, "renamed", func(dir string) {
		write(t, dir, "data/identity/other.jsonl", read(t, dir, "data/identity/org.jsonl"))
		remove(dir, "data/identity/org.jsonl")
	})
	d.add(t, "link", func(dir string) {
		remove(dir, "README.txt")
		if err := os.Symlink(filepath.Join(d.good, "README.txt"), filepath.Join(dir, "README.txt")); err != nil {
			t.Fatal(err)
		}
	})
}

// damageAbout edits archive.json and signs it again.
func damageAbout(t *testing.T, d *damaged) {
	t.Helper()
	for _, edit := range [][2]string{
		{`"build":"test"`, `"build":"test","build":"test"`},
		{`"build":"test"`, `"build": "test"`},
		{`"build":"test",`, ``},
		{`"build":"test"`, `"build":"test","built":1`},
		{`"exceptions":0`, `"exceptions":1`},
		{`"exceptions":0`, `"exceptions":0.0`},
		{`"files":1`, `"files":2`},
		{`chancery/archive/v1`, `chancery/archive/v2`},
		{`"from":0`, `"from":1`},
		{`"holds":0`, `"holds":7`},
		{`"messages":6`, `"messages":5`},
		{`"ordinal":1`, `"ordinal":2`},
		{`"ordinal":1`, `"ordinal":0`},
		{`"schedule":"daily"`, `"schedule":"weekly"`},
		{`"schedule":"daily"`, `"schedule":"Daily"`},
		{`"status":"complete"`, `"status":"fine"`},
		{`"suite":"` + string(suitetest.Suite()) + `"`, `"suite":"none"`},
		{`"withheld":0`, `"withheld":1`},
		{`"first":0`, `"first":1`},
		{`000001.jsonl.zst`, `000002.jsonl.zst`},
		{`"msg":`, `"mem2":`},
		{d.w.Org().ID().String(), strings.Repeat("3", 64)},
	} {
		d.add(t, edit[0]+" → "+edit[1], func(dir string) {
			text := string(read(t, dir, "archive.json"))
			if !strings.Contains(text, edit[0]) {
				t.Errorf("archive.json has no %s", edit[0])
			}
			write(t, dir, "archive.json", []byte(strings.Replace(text, edit[0], edit[1], 1)))
			key := d.w.Signer
			if h, err := archive.Peek(os.DirFS(dir)); err != nil || h.Schedule == "Daily" || h.Ordinal != 1 {
				key = nil // no signer would make a statement of it
			}
			forge(t, dir, key)
		})
	}
}

// damageLines drops, repeats, swaps and rewrites lines, with the signer's help.
func damageLines(t *testing.T, d *damaged) {
	t.Helper()
	for name, edit := range map[string]func(l []string) []string{
		"as it was":  func(l []string) []string { return l },
		"first gone": func(l []string) []string { return l[1:] },
		"third gone": func(l []string) []string { return slices.Delete(l, 3, 4) },
		"tail gone":  func(l []string) []string { return l[:len(l)-3] },
		"all gone":   func([]string) []string { return nil },
		"twice":      func(l []string) []string { return slices.Insert(l, 4, l[3]) },
		"one more": func(l []string) []string {
			return append(l, fmt.Sprintf(`{"index":%d,"withheld":true}`+"\n", len(l)-1))
		},
		"swapped":   func(l []string) []string { l[7], l[8] = l[8], l[7]; return l },
		"withheld":  func(l []string) []string { l[3] = `{"index":3,"withheld":true}` + "\n"; return l },
		"not false": func(l []string) []string { l[3] = `{"index":3,"withheld":false}` + "\n"; return l },
		"unfinished": func(l []string) []string {
			l[len(l)-2] = strings.TrimSuffix(l[len(l)-2], "\n")
			return l
		},
		"empty line": func(l []string) []string { return slices.Insert(l, 4, "\n") },
		"other leaf": func(l []string) []string { l[3] = strings.Replace(l[4], `"index":4`, `"index":3`, 1); return l },
		"no entry": func(l []string) []string {
			at := len(l) - 2
			l[at] = l[at][:1] + l[at][strings.Index(l[at], `"index"`):]
			return l
		},
	} {
		d.add(t, "records "+name, func(dir string) { reseal(t, d.w, dir, edit, nil) })
	}
	for _, name := range []string{"data/index/channels.jsonl", "data/identity/org.jsonl"} {
		for how, edit := range map[string]func(l []string) []string{
			"first gone": func(l []string) []string { return l[1:] },
			"last gone":  func(l []string) []string { return l[:len(l)-1] },
			"twice":      func(l []string) []string { return append(l, l[len(l)-1]) },
			"swapped":    func(l []string) []string { l[0], l[1] = l[1], l[0]; return l },
			"moved":      func(l []string) []string { l[0] = strings.Replace(l[0], `"position":0`, `"position":1`, 1); return l },
		} {
			d.add(t, name+" "+how, func(dir string) {
				l := strings.SplitAfter(strings.TrimSuffix(string(read(t, dir, name)), "\n")+"\n", "\n")
				write(t, dir, name, []byte(strings.Join(edit(l[:len(l)-1]), "")))
				fitPayload(t, d.w, dir)
			})
		}
	}
	const exceptions = "data/index/exceptions.jsonl"
	for _, code := range []string{"file_missing", "made_up"} {
		d.add(t, "exception "+code, func(dir string) {
			line := fmt.Sprintf(`{"channel":"%064d","code":"%s","object":"","position":1,"text":""}`+"\n", 0, code)
			write(t, dir, exceptions, []byte(line))
			text := strings.Replace(string(read(t, dir, "archive.json")), `"exceptions":0`, `"exceptions":1`, 1)
			text = strings.Replace(text, `"complete"`, `"complete-with-exceptions"`, 1)
			write(t, dir, "archive.json", []byte(text))
			fitPayload(t, d.w, dir)
		})
	}
}

// fitPayload makes the payload root, manifests and signatures fit.
func fitPayload(t *testing.T, w *archivetest.World, dir string) {
	t.Helper()
	text := withPayloadRoot(t, dir, string(read(t, dir, "archive.json")), nil)
	write(t, dir, "archive.json", []byte(text))
	forge(t, dir, w.Signer)
}

// damageLog puts other states of the log in.
func damageLog(t *testing.T, d *damaged) {
	t.Helper()
	shorter, err := d.w.Checkpoint(d.w.Tree.Size - 1)
	if err != nil {
		t.Fatal(err)
	}
	note := string(read(t, d.good, "log/checkpoint"))
	own := note[strings.Index(note, "\n\n")+2:]
	for name, checkpoint := range map[string]string{
		"shorter":         string(shorter),
		"unsigned":        strings.TrimSuffix(note, own),
		"signed twice":    note + own,
		"of another log":  strings.ReplaceAll(note, "/log", "/log2"),
		"with a stranger": note + "— stranger " + strings.Repeat("A", 91) + "=\n",
		"by a stranger":   strings.TrimSuffix(note, own) + "— stranger " + strings.Repeat("A", 91) + "=\n",
		"other key":       strings.TrimSuffix(note, own) + strings.Join(strings.Fields(own)[:2], " ") + " " + strings.Repeat("A", 91) + "=\n",
		"no line":         strings.TrimSuffix(note, "\n"),
	} {
		d.add(t, "checkpoint "+name, func(dir string) {
			write(t, dir, "log/checkpoint", []byte(checkpoint))
			forge(t, dir, d.w.Signer)
		})
	}
	for name, proof := range map[string]string{
		"not empty": `{"proof":["` + strings.Repeat("0", 64) + `"]}`, "null": `{"proof":null}`, "spaced": `{"proof": []}`,
	} {
		d.add(t, "proof "+name, func(dir string) {
			write(t, dir, "log/consistency.json", []byte(proof))
			forge(t, dir, d.w.Signer)
		})
	}
}

// damageSignatures has others sign, in place of the signer or beside it.
func damageSignatures(t *testing.T, d *damaged) {
	t.Helper()
	stranger, err := sign.NewKey(strings.NewReader(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	d.add(t, "signed by a stranger", func(dir string) { forge(t, dir, stranger) })
	d.add(t, "manifests made to fit", func(dir string) {
		write(t, dir, "README.txt", []byte("trust me"))
		forge(t, dir, nil)
	})
	for _, name := range []string{"archive.dsse", "archive.note"} {
		d.add(t, name+" of another archive", func(dir string) {
			other := copyBag(t, dir)
			write(t, other, "README.txt", []byte("another archive"))
			forge(t, other, d.w.Signer)
			write(t, dir, name, read(t, other, name))
		})
		d.add(t, name+" by a stranger", func(dir string) {
			other := copyBag(t, dir)
			forge(t, other, stranger)
			write(t, dir, name, read(t, other, name))
		})
	}
	for name, end := range map[string]string{"archive.dsse": `"}]}`, "archive.note": "\n", "log/checkpoint": "\n", "data/identity/org.jsonl": `"}`} {
		d.add(t, name+" with another signature", func(dir string) {
			b := read(t, dir, name)
			at := bytes.LastIndex(b, []byte(end)) - 20 // in the last signature's base64
			b[at] = map[bool]byte{true: 'B', false: 'A'}[b[at] == 'A']
			write(t, dir, name, b)
			if strings.Contains(name, "/") {
				fitPayload(t, d.w, dir)
			}
		})
	}
	d.add(t, "note signed by both", func(dir string) {
		other := copyBag(t, dir)
		forge(t, other, stranger)
		_, theirs, _ := strings.Cut(string(read(t, other, "archive.note")), "\n\n")
		write(t, dir, "archive.note", append(read(t, dir, "archive.note"), theirs...))
	})
	d.add(t, "envelope spaced", func(dir string) {
		write(t, dir, "archive.dsse", append(read(t, dir, "archive.dsse"), '\n'))
	})
	d.add(t, "envelope without signatures", func(dir string) {
		b := read(t, dir, "archive.dsse")
		write(t, dir, "archive.dsse", append(b[:bytes.Index(b, []byte(`"signatures":`))], `"signatures":[]}`...))
	})
}

// Two verifiers agree on what a lying server did to a channel, on messages that
// are gone, and on files that are.
func TestAttackSecondVerifierAgreesOnChannels(t *testing.T) {
	t.Parallel()
	type lie func(w *archivetest.World, c *archivetest.Channel, ada, eve *archivetest.Person)
	place := func(f func(c *archivetest.Channel, p *envelope.Placed)) lie {
		return func(_ *archivetest.World, c *archivetest.Channel, ada, _ *archivetest.Person) {
			c.Lie(ada, nil, func(p *envelope.Placed) { f(c, p) })
		}
	}
	listed := func(w *archivetest.World, ada, eve *archivetest.Person) {
		w.ListPerson(ada, envelope.RoleCompliance)
		w.ListPerson(eve, envelope.RoleLegal)
	}
	planned := func(plan func(*envelope.DisposalPlan), edit func(*archive.Disposal)) lie {
		return func(w *archivetest.World, c *archivetest.Channel, ada, eve *archivetest.Person) {
			listed(w, ada, eve)
			c.Dispose(c.Entries[3], ada, eve, plan, edit)
		}
	}
	a := tally{}
	for name, tell := range map[string]lie{
		"none":          func(*archivetest.World, *archivetest.Channel, *archivetest.Person, *archivetest.Person) {},
		"entry dropped": place(func(_ *archivetest.Channel, p *envelope.Placed) { p.Position++ }),
		"other head":    place(func(_ *archivetest.Channel, p *envelope.Placed) { p.Head[0] ^= 1 }),
		"received before": place(func(c *archivetest.Channel, p *envelope.Placed) {
			p.Received = 1
			p.Head = envelope.NextHead(c.Top, p.Position, 1, p.Hash())
		}),
		"no member": func(_ *archivetest.World, c *archivetest.Channel, _, eve *archivetest.Person) { c.Lie(eve, nil, nil) },
		"no certificate": func(_ *archivetest.World, c *archivetest.Channel, _, _ *archivetest.Person) {
			c.Drop(c.Entries[3])
		},
		"certified":       planned(nil, nil),
		"another message": planned(func(p *envelope.DisposalPlan) { p.Ranges[0].Root[0] ^= 1 }, nil),
		"fewer messages":  planned(func(p *envelope.DisposalPlan) { p.Ranges[0].Messages = 0 }, nil),
		"more messages":   planned(func(p *envelope.DisposalPlan) { p.Ranges[0].Messages = 2 }, nil),
		"another place":   planned(func(p *envelope.DisposalPlan) { p.Ranges[0].From, p.Ranges[0].To = 1, 2 }, nil),
		"another org":     planned(func(p *envelope.DisposalPlan) { p.Org[0] ^= 1 }, nil),
		"wider range":     planned(func(p *envelope.DisposalPlan) { p.Ranges[0].To++ }, nil),
		"unapproved":      planned(nil, func(d *archive.Disposal) { d.Approvals = [][]byte{} }),
		"approved by one": planned(nil, func(d *archive.Disposal) { d.Approvals = d.Approvals[:1] }),
		"unconfirmed":     planned(nil, func(d *archive.Disposal) { d.Confirmations = [][]byte{} }),
		"approved by another": func(w *archivetest.World, c *archivetest.Channel, ada, eve *archivetest.Person) {
			listed(w, ada, eve)
			c.Dispose(c.Entries[3], ada, ada, nil, nil)
		},
		"signer delisted": func(w *archivetest.World, _ *archivetest.Channel, _, _ *archivetest.Person) {
			w.Delist(envelope.RoleSigner, envelope.KeyOf(w.Signer.Public()))
		},
		"file lost": func(w *archivetest.World, c *archivetest.Channel, ada, _ *archivetest.Person) {
			c.Post(ada, "look", []byte("a file"))
			for id := range w.Blobs {
				w.Lost[id] = true
			}
		},
	} {
		w := archivetest.New(t)
		ada, eve := w.AddPerson("ada"), w.AddPerson("eve")
		desk := w.AddChannel(ada, envelope.CaptureRequired)
		desk.Post(ada, "one")
		desk.Post(ada, "two")
		tell(w, desk, ada, eve)
		cut := w.Cut(filepath.Join(t.TempDir(), "bag"), desk)
		a.agree(t, name, first(verify(t, w, cut.Dir)), second(t, w.Org().ID(), nil, cut.Dir)[0])
	}
	for _, want := range []verdict{{Code: 0}, {Code: 2}, {Code: 3, Rung: 6}, {Code: 4, Rung: 6}, {Code: 5, Rung: 2}} {
		if a[want] == 0 {
			t.Errorf("no archive with exit %d on rung %d", want.Code, want.Rung)
		}
	}
}

// Two verifiers agree on archives that follow one another, and on those that
// should and don't.
func TestAttackSecondVerifierAgreesOnChains(t *testing.T) {
	t.Parallel()
	w, desk, side := story(t)
	dir := t.TempDir()
	h := w.Header()
	cuts := []string{w.CutWith(archive.Config{Dir: filepath.Join(dir, "0"), Header: h}, desk, side).Dir}
	for i := range 3 {
		desk.Cover()
		cuts = append(cuts, w.Cut(filepath.Join(dir, fmt.Sprint(i+1)), desk).Dir)
	}
	h.Build = "other"
	cuts = append(cuts, w.CutWith(archive.Config{Dir: filepath.Join(dir, "fork"), Header: h}, desk, side).Dir)
	wrong := copyBag(t, cuts[1])
	proof := string(read(t, wrong, "log/consistency.json"))
	at := strings.Index(proof, `":["`) + 4
	write(t, wrong, "log/consistency.json", []byte(proof[:at]+strings.Repeat("0", 64)+proof[at+64:]))
	forge(t, wrong, w.Signer)
	cuts = append(cuts, wrong)
	a := tally{}
	for _, order := range [][]int{{0, 1, 2, 3}, {2, 3}, {1}, {0, 2}, {0, 2, 1}, {1, 0}, {0, 1, 1}, {4, 1}, {0, 5}, {5}} {
		v := archive.NewVerifier(archive.Trust{Org: w.Org().ID()})
		var dirs []string
		for _, i := range order {
			dirs = append(dirs, cuts[i])
		}
		for i, two := range second(t, w.Org().ID(), []string{"--chain"}, dirs...) {
			a.agree(t, fmt.Sprintf("%d of %v", i, order), first(v.Verify(os.DirFS(dirs[i]), nil)), two)
		}
	}
	for _, want := range []verdict{{Code: 0}, {Code: 3, Rung: 3}, {Code: 4, Rung: 3}, {Code: 3, Rung: 4}} {
		if a[want] == 0 {
			t.Errorf("no archive with exit %d on rung %d", want.Code, want.Rung)
		}
	}
}
