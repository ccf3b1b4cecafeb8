package archive_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chancery/compliance/archive"
	"chancery/compliance/archive/archivetest"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// story is a small organisation in which everything happens once.
func story(t testing.TB) (*archivetest.World, *archivetest.Channel, *archivetest.Channel) {
	t.Helper()
	w := archivetest.New(t)
	ada, bob := w.AddPerson("ada"), w.AddPerson("bob")
	desk := w.AddChannel(ada, envelope.CaptureRequired)
	desk.Add(ada, bob)
	first := desk.Post(ada, "buy")
	desk.Post(bob, "how many?", []byte("first file"))
	desk.Edit(ada, first, "buy 3")
	desk.Cover()
	gone := desk.Post(bob, "never mind")
	desk.Delete(bob, gone)
	desk.Cover()
	side := w.AddChannel(bob, envelope.CaptureOff)
	side.Post(bob, "not recorded")
	return w, desk, side
}

func verify(t testing.TB, w *archivetest.World, dir string) *archive.Report {
	t.Helper()
	return archive.NewVerifier(archive.Trust{Org: w.Org().ID()}).Verify(os.DirFS(dir), nil)
}

func wantExit(t testing.TB, r *archive.Report, exit int) {
	t.Helper()
	if r.Exit != exit {
		t.Fatalf("exit %d, want %d: %v\n%+v", r.Exit, exit, r.Err, r.Rungs)
	}
}

func TestVerifyAcceptsWhatTheWriterWrote(t *testing.T) {
	t.Parallel()
	w, desk, side := story(t)
	cut := w.Cut(filepath.Join(t.TempDir(), "bag"), desk, side)
	r := verify(t, w, cut.Dir)
	wantExit(t, r, archive.ExitOK)
	for _, rung := range r.Rungs[:8] {
		if rung.Verdict != archive.Passed || len(rung.Evidence) == 0 {
			t.Errorf("rung %d: %+v", rung.Number, rung)
		}
	}
	if r.Rungs[8].Verdict != archive.Skipped || r.Messages != 6 {
		t.Errorf("rung 9 %q, %d messages", r.Rungs[8].Verdict, r.Messages)
	}
}

func TestOpenYieldsWhatPeopleTyped(t *testing.T) {
	t.Parallel()
	w, desk, side := story(t)
	cut := w.Cut(filepath.Join(t.TempDir(), "bag"), desk, side)
	var texts []string
	var file strings.Builder
	r := archive.NewVerifier(archive.Trust{Org: w.Org().ID()}).Verify(os.DirFS(cut.Dir), &archive.Reading{
		Opener: opener(t, w, cut),
		Message: func(m *archive.Message) error {
			text := string(m.Closed)
			if m.Body != nil {
				text = m.Body.Text
			}
			texts = append(texts, m.Sender.Name+": "+text)
			return nil
		},
		File: func(*archive.Message, int) (io.WriteCloser, error) { return nopCloser{&file}, nil },
	})
	wantExit(t, r, archive.ExitOK)
	want := []string{"ada: buy", "bob: how many?", "ada: buy 3", "bob: never mind", "bob: ", "bob: no_capture"}
	if !slices.Equal(texts, want) || file.String() != "first file" {
		t.Errorf("got %q and file %q", texts, file.String())
	}
	if got := r.Rungs[8].Evidence[2]; got != "2 coverage roots follow from the openings" {
		t.Error(got)
	}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func TestChainOfArchives(t *testing.T) {
	t.Parallel()
	w, desk, side := story(t)
	dir := t.TempDir()
	cuts := []*archivetest.Cut{w.Cut(filepath.Join(dir, "1"), desk, side)}
	eve := w.AddPerson("eve")
	for i := range 3 {
		desk.Post(eve0(w, desk, eve, i), "more")
		desk.Cover()
		cuts = append(cuts, w.Cut(filepath.Join(dir, string(rune('2'+i))), desk))
	}
	chain := func(order ...int) *archive.Report {
		v := archive.NewVerifier(archive.Trust{Org: w.Org().ID()})
		var r *archive.Report
		for _, i := range order {
			if r = v.Verify(os.DirFS(cuts[i].Dir), nil); r.Exit != 0 {
				return r
			}
		}
		return r
	}
	for name, c := range map[string]struct {
		order []int
		exit  int
	}{
		"whole":              {[]int{0, 1, 2, 3}, archive.ExitOK},
		"later part":         {[]int{2, 3}, archive.ExitOK},
		"one in the middle":  {[]int{1}, archive.ExitOK},
		"one removed":        {[]int{0, 2, 3}, archive.ExitIncomplete},
		"reordered":          {[]int{0, 2, 1}, archive.ExitIncomplete},
		"backwards":          {[]int{1, 0}, archive.ExitTampered},
		"the same one again": {[]int{0, 1, 1}, archive.ExitTampered},
	} {
		if r := chain(c.order...); r.Exit != c.exit {
			t.Errorf("%s: exit %d, want %d: %v", name, r.Exit, c.exit, r.Err)
		}
	}
}

// Two archives with the same number, both signed with the right key: whoever has
// one of them finds that the next one continues the other.
func TestAttackForkedArchives(t *testing.T) {
	t.Parallel()
	w, desk, side := story(t)
	dir := t.TempDir()
	h := w.Header()
	shown := w.CutWith(archive.Config{Dir: filepath.Join(dir, "shown"), Header: h}, desk, side)
	h.Build = "other"
	w.CutWith(archive.Config{Dir: filepath.Join(dir, "other"), Header: h}, desk, side)
	desk.Cover()
	next := w.Cut(filepath.Join(dir, "next"), desk)
	v := archive.NewVerifier(archive.Trust{Org: w.Org().ID()})
	wantExit(t, v.Verify(os.DirFS(shown.Dir), nil), archive.ExitOK)
	wantExit(t, v.Verify(os.DirFS(next.Dir), nil), archive.ExitTampered)
}

// eve0 adds eve to the channel before the first of her posts.
func eve0(w *archivetest.World, desk *archivetest.Channel, eve *archivetest.Person, i int) *archivetest.Person {
	if i == 0 {
		owner := desk.Members()
		for _, id := range owner {
			if m, _ := desk.Member(id); m.Rank == envelope.RankOwner {
				desk.Add(w.Person(id), eve)
			}
		}
	}
	return eve
}

func TestAttackHolesAndCertificates(t *testing.T) {
	t.Parallel()
	type dispose func(c *archivetest.Channel, p *envelope.Placed, cora, lex, eve *archivetest.Person)
	with := func(edit func(*archive.Disposal)) dispose {
		return func(c *archivetest.Channel, p *envelope.Placed, cora, lex, _ *archivetest.Person) {
			c.Dispose(p, cora, lex, nil, edit)
		}
	}
	planned := func(plan func(*envelope.DisposalPlan)) dispose {
		return func(c *archivetest.Channel, p *envelope.Placed, cora, lex, _ *archivetest.Person) {
			c.Dispose(p, cora, lex, plan, nil)
		}
	}
	for name, x := range map[string]struct {
		dispose dispose
		exit    int
		rung    int
	}{
		"certified": {with(nil), archive.ExitOK, 0},
		"no certificate": {func(c *archivetest.Channel, p *envelope.Placed, _, _, _ *archivetest.Person) { c.Drop(p) },
			archive.ExitIncomplete, 6},
		"approved by nobody": {with(func(d *archive.Disposal) { d.Approvals = [][]byte{} }), archive.ExitTampered, 8},
		"approved by one":    {with(func(d *archive.Disposal) { d.Approvals = d.Approvals[:1] }), archive.ExitTampered, 8},
		"approved twice": {func(c *archivetest.Channel, p *envelope.Placed, cora, _, _ *archivetest.Person) {
			c.Dispose(p, cora, cora, nil, nil)
		},
			archive.ExitTampered, 8},
		"approved by somebody": {func(c *archivetest.Channel, p *envelope.Placed, cora, _, eve *archivetest.Person) {
			c.Dispose(p, cora, eve, nil, nil)
		},
			archive.ExitTampered, 8},
		"not confirmed": {with(func(d *archive.Disposal) { d.Confirmations = [][]byte{} }), archive.ExitTampered, 8},
		"another plan": {with(func(d *archive.Disposal) {
			plan, err := envelope.ParseOrder[envelope.DisposalPlan](d.Order)
			if err != nil {
				t.Fatal(err)
			}
			plan.Horizon++
			d.Order = envelope.Marshal(plan)
		}), archive.ExitTampered, 8},
		"another message": {planned(func(p *envelope.DisposalPlan) { p.Ranges[0].Root[0] ^= 1 }), archive.ExitTampered, 6},
		"fewer messages":  {planned(func(p *envelope.DisposalPlan) { p.Ranges[0].Messages = 0 }), archive.ExitTampered, 6},
		"another place":   {planned(func(p *envelope.DisposalPlan) { p.Ranges[0].From, p.Ranges[0].To = 1, 2 }), archive.ExitIncomplete, 6},
	} {
		w, desk, side := story(t)
		cora, lex, eve := w.AddPerson("cora"), w.AddPerson("lex"), w.AddPerson("eve")
		w.ListPerson(cora, envelope.RoleCompliance)
		w.ListPerson(cora, envelope.RoleLegal) // one person in both roles is one person
		w.ListPerson(lex, envelope.RoleLegal)
		x.dispose(desk, desk.Entries[len(desk.Entries)-3], cora, lex, eve)
		cut := w.Cut(filepath.Join(t.TempDir(), "bag"), desk, side)
		r := verify(t, w, cut.Dir)
		if r.Exit != x.exit || x.exit != 0 && r.Rungs[x.rung-1].Verdict != archive.Refused {
			t.Errorf("%s: exit %d, want %d on rung %d: %v", name, r.Exit, x.exit, x.rung, r.Err)
		}
	}
}

func TestMissingFileIsAnException(t *testing.T) {
	t.Parallel()
	w, desk, side := story(t)
	for id := range w.Blobs {
		w.Lost[id] = true
	}
	cut := w.Cut(filepath.Join(t.TempDir(), "bag"), desk, side)
	r := verify(t, w, cut.Dir)
	wantExit(t, r, archive.ExitExceptions)
	if len(r.Exceptions) != 1 || r.Exceptions[0].Code != archive.FileMissing {
		t.Errorf("%+v", r.Exceptions)
	}
}

// opener is what an auditor's tool does with a slip and an identity.
func opener(t testing.TB, w *archivetest.World, cut *archivetest.Cut) archive.Opener {
	t.Helper()
	var slip archive.Slip
	if err := envelope.Unmarshal(cut.Slip, &slip); err != nil {
		t.Fatal(err)
	}
	var copies []seal.Copy
	for _, c := range slip.Copies {
		copies = append(copies, seal.Copy{Recipient: c.Recipient, File: c.File})
	}
	plain, err := seal.OpenSlip(w.Auditor, seal.ArchiveKey(w.Org().ID(), slip.Archive), copies)
	if err != nil {
		t.Fatal(err)
	}
	var key archive.SlipKey
	if err := envelope.Unmarshal(plain, &key); err != nil {
		t.Fatal(err)
	}
	return &testOpener{seal.DataKey(key.Key), key.Archive}
}

type testOpener struct {
	key     seal.DataKey
	archive envelope.Hash
}

func (o *testOpener) Commit() envelope.Hash { return archive.KeyCommit(o.archive, o.key[:]) }

func (o *testOpener) Chunk(aad, sealed []byte) ([]byte, error) {
	return seal.OpenBytes(o.key, aad, sealed)
}

func (o *testOpener) Message(secret []byte, e *envelope.Entry) (*envelope.Body, []byte, error) {
	x := seal.Secret(secret)
	body, err := seal.OpenSecret(x, e)
	return body, x.Cov(), err
}

func (o *testOpener) File(dst io.Writer, src io.Reader, a envelope.Attachment, key []byte) error {
	if len(key) != 32 {
		return errors.New("file key is not of 32 bytes")
	}
	return seal.OpenFile(dst, src, a.ID, seal.DataKey(key), a.Size, a.Root)
}
