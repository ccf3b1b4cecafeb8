package archive_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"chancery/compliance/archive"
	"chancery/compliance/archive/archivetest"
	"chancery/crypto/envelope"
	"chancery/crypto/sign"
	"chancery/crypto/tlog"
)

// standard is a whole archive to damage; copyBag gives a test its own.
func standard(t testing.TB) (*archivetest.World, *archivetest.Cut) {
	t.Helper()
	w, desk, side := story(t)
	cora, lex := w.AddPerson("cora"), w.AddPerson("lex")
	w.ListPerson(cora, envelope.RoleCompliance)
	w.ListPerson(lex, envelope.RoleLegal)
	desk.Dispose(desk.Entries[len(desk.Entries)-3], cora, lex, nil, nil)
	return w, w.Cut(filepath.Join(t.TempDir(), "bag"), desk, side)
}

func copyBag(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func files(t testing.TB, dir string) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func read(t testing.TB, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t testing.TB, dir, name string, b []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// A byte is changed in every file, many times: each change is found. Where the
// byte was in a signature, or in who made it, the signer is not trusted.
func TestAttackAnyByteChanged(t *testing.T) {
	t.Parallel()
	w, cut := standard(t)
	dir := copyBag(t, cut.Dir)
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 20 {
		for _, name := range files(t, dir) {
			good := read(t, dir, name)
			if len(good) == 0 {
				continue
			}
			bad := bytes.Clone(good)
			at := random.IntN(len(bad))
			bad[at] ^= byte(1 + random.IntN(255))
			write(t, dir, name, bad)
			codes := []int{archive.ExitTampered}
			if name == "archive.dsse" || name == "archive.note" {
				codes = append(codes, archive.ExitUntrusted)
			}
			if r := verify(t, w, dir); !slices.Contains(codes, r.Exit) {
				t.Errorf("round %d: %s changed at %d: exit %d: %v", round, name, at, r.Exit, r.Err)
			}
			write(t, dir, name, good)
		}
	}
	wantExit(t, verify(t, w, dir), archive.ExitOK)
}

func TestAttackFilesRemovedAddedSwappedRenamed(t *testing.T) {
	t.Parallel()
	w, cut := standard(t)
	for _, name := range files(t, cut.Dir) {
		removed, cutOff := copyBag(t, cut.Dir), copyBag(t, cut.Dir)
		if err := os.Remove(filepath.Join(removed, name)); err != nil {
			t.Fatal(err)
		}
		if r := verify(t, w, removed); r.Exit != archive.ExitIncomplete {
			t.Errorf("%s removed: exit %d: %v", name, r.Exit, r.Err)
		}
		b := read(t, cutOff, name)
		if len(b) == 0 {
			continue
		}
		write(t, cutOff, name, b[:len(b)/2])
		if r := verify(t, w, cutOff); r.Exit != archive.ExitTampered {
			t.Errorf("%s cut: exit %d: %v", name, r.Exit, r.Err)
		}
	}
	for _, name := range []string{"extra.txt", "data/records/000002.jsonl.zst", "data/x", "log/tile/9/000", "time/archive.tsr", "data/files/" + strings.Repeat("a", 32)} {
		added := copyBag(t, cut.Dir)
		write(t, added, name, []byte("x"))
		if r := verify(t, w, added); r.Exit != archive.ExitTampered {
			t.Errorf("%s added: exit %d: %v", name, r.Exit, r.Err)
		}
	}
	swapped := copyBag(t, cut.Dir)
	a, b := "data/identity/org.jsonl", "data/identity/users.jsonl"
	x, y := read(t, swapped, a), read(t, swapped, b)
	write(t, swapped, a, y)
	write(t, swapped, b, x)
	wantExit(t, verify(t, w, swapped), archive.ExitTampered)
	renamed := copyBag(t, cut.Dir)
	if err := os.Rename(filepath.Join(renamed, a), filepath.Join(renamed, "data/identity/other.jsonl")); err != nil {
		t.Fatal(err)
	}
	if r := verify(t, w, renamed); r.Exit == archive.ExitOK {
		t.Error("renamed file was taken")
	}
}

// forge makes the manifests fit whatever is in the bag, as an attacker without
// the signer's key can, and signs with key if there is one.
func forge(t testing.TB, dir string, key *sign.Key) {
	t.Helper()
	for _, tag := range []bool{false, true} {
		var short, long strings.Builder
		for _, name := range files(t, dir) {
			if strings.HasPrefix(name, "data/") == tag || strings.HasPrefix(name, "tagmanifest") || name == "archive.dsse" || name == "archive.note" {
				continue
			}
			b := read(t, dir, name)
			a, c := sha256.Sum256(b), sha512.Sum384(b)
			fmt.Fprintf(&short, "%s  %s\n", hex.EncodeToString(a[:]), name)
			fmt.Fprintf(&long, "%s  %s\n", hex.EncodeToString(c[:]), name)
		}
		prefix := map[bool]string{false: "manifest-", true: "tagmanifest-"}[tag]
		write(t, dir, prefix+"sha256.txt", []byte(short.String()))
		write(t, dir, prefix+"sha384.txt", []byte(long.String()))
	}
	if key == nil {
		return
	}
	written := archive.Written{Manifest: envelope.SumBytes(read(t, dir, "tagmanifest-sha256.txt")), Other: envelope.SumBytes(read(t, dir, "tagmanifest-sha384.txt"))}
	h, err := archive.Peek(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := archive.StatementOf(h, written.Manifest, written.Other).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "archive.dsse", signed.DSSE)
	write(t, dir, "archive.note", signed.Note)
}

func TestAttackManifestsMadeToFit(t *testing.T) {
	t.Parallel()
	w, cut := standard(t)
	dir := copyBag(t, cut.Dir)
	write(t, dir, "README.txt", []byte("trust me"))
	forge(t, dir, nil)
	wantExit(t, verify(t, w, dir), archive.ExitTampered)
	stranger, err := sign.NewKey(strings.NewReader(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	forge(t, dir, stranger)
	wantExit(t, verify(t, w, dir), archive.ExitUntrusted)
	forge(t, dir, w.Signer)
	wantExit(t, verify(t, w, dir), archive.ExitOK) // the helper is honest work
}

// Each signature alone holds the bag: one of another archive does not pass.
func TestAttackSignatureOfAnotherArchive(t *testing.T) {
	t.Parallel()
	w, cut := standard(t)
	for _, name := range []string{"archive.dsse", "archive.note"} {
		other, dir := copyBag(t, cut.Dir), copyBag(t, cut.Dir)
		write(t, other, "README.txt", []byte("another archive"))
		forge(t, other, w.Signer)
		write(t, dir, name, read(t, other, name))
		wantExit(t, verify(t, w, dir), archive.ExitTampered)
	}
}

func TestAttackSignerNoLongerListed(t *testing.T) {
	t.Parallel()
	w, desk, side := story(t)
	w.Delist(envelope.RoleSigner, envelope.KeyOf(w.Signer.Public()))
	cut := w.Cut(filepath.Join(t.TempDir(), "bag"), desk, side)
	wantExit(t, verify(t, w, cut.Dir), archive.ExitUntrusted)
}

func TestAttackAnotherOrganisation(t *testing.T) {
	t.Parallel()
	_, cut := standard(t)
	wantExit(t, verify(t, archivetest.New(t), cut.Dir), archive.ExitUntrusted)
}

func TestAttackSymlinkAndUnsafePaths(t *testing.T) {
	t.Parallel()
	w, cut := standard(t)
	linked := copyBag(t, cut.Dir)
	path := filepath.Join(linked, "README.txt")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(cut.Dir, "README.txt"), path); err != nil {
		t.Fatal(err)
	}
	wantExit(t, verify(t, w, linked), archive.ExitTampered)
	for _, name := range []string{"data/..x", "data/UP", "data/a b", "data/é", "-rf", "data/x\n"} {
		dir := copyBag(t, cut.Dir)
		write(t, dir, name, []byte("x"))
		forge(t, dir, w.Signer)
		if r := verify(t, w, dir); r.Exit != archive.ExitTampered {
			t.Errorf("%q: exit %d: %v", name, r.Exit, r.Err)
		}
	}
	for _, line := range []string{"../../etc/passwd", "/etc/passwd", "data/../x"} {
		dir := copyBag(t, cut.Dir)
		b := read(t, dir, "tagmanifest-sha256.txt")
		write(t, dir, "tagmanifest-sha256.txt", append([]byte(strings.Repeat("0", 64)+"  "+line+"\n"), b...))
		wantExit(t, verify(t, w, dir), archive.ExitTampered)
	}
}

// reseal replaces a segment by plain lines and makes everything around it fit,
// with the signer's own key: what is left to find it is the log.
func reseal(t testing.TB, w *archivetest.World, dir string, edit func(lines []string) []string, about func(string) string) {
	t.Helper()
	const name = "data/records/000001.jsonl.zst"
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := z.DecodeAll(read(t, dir, name), nil)
	if err != nil {
		t.Fatal(err)
	}
	old := sha256.Sum256(plain)
	lines := edit(strings.SplitAfter(strings.TrimSuffix(string(plain), "\n")+"\n", "\n"))
	changed := []byte(strings.Join(lines, ""))
	now := sha256.Sum256(changed)
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, name, e.EncodeAll(changed, nil))
	text := string(read(t, dir, "archive.json"))
	text = strings.ReplaceAll(text, hex.EncodeToString(old[:]), hex.EncodeToString(now[:]))
	text = strings.ReplaceAll(text, fmt.Sprintf(`"plain_size":%d`, len(plain)), fmt.Sprintf(`"plain_size":%d`, len(changed)))
	text = withPayloadRoot(t, dir, text, map[string][32]byte{name: now})
	if about != nil {
		text = about(text)
	}
	write(t, dir, "archive.json", []byte(text))
	forge(t, dir, w.Signer)
}

// A count below nothing is refused at once, whoever signed it.
func TestAttackNegativeCounts(t *testing.T) {
	t.Parallel()
	w, cut := standard(t)
	for _, edit := range [][2]string{
		{`"exceptions":0`, `"exceptions":-1`},
		{`"files":`, `"files":-`},
		{`"messages":`, `"messages":-`},
		{`"withheld":0`, `"withheld":-1`},
		{`"msg":`, `"msg":-`},
		{`"plain_size":`, `"plain_size":-`},
		{`"size":`, `"size":-`},
	} {
		dir := copyBag(t, cut.Dir)
		text := string(read(t, dir, "archive.json"))
		if !strings.Contains(text, edit[0]) {
			t.Fatalf("archive.json has no %s", edit[0])
		}
		write(t, dir, "archive.json", []byte(strings.Replace(text, edit[0], edit[1], 1)))
		forge(t, dir, nil) // what signatures say is asked later
		if r := verify(t, w, dir); r.Exit != archive.ExitTampered || r.Rungs[0].Verdict != archive.Refused {
			t.Errorf("%s: exit %d, rung 1 %s: %v", edit[1], r.Exit, r.Rungs[0].Verdict, r.Err)
		}
	}
}

// withPayloadRoot puts the true payload root into the text of archive.json.
func withPayloadRoot(t testing.TB, dir, text string, plain map[string][32]byte) string {
	t.Helper()
	var root tlog.RootBuilder
	names := files(t, dir)
	slices.Sort(names)
	for _, name := range names {
		if !strings.HasPrefix(name, "data/") || strings.HasPrefix(name, "data/keys/") {
			continue
		}
		b := read(t, dir, name)
		sum, known := plain[name]
		if !known {
			if strings.HasSuffix(name, ".zst") {
				z, err := zstd.NewReader(nil)
				if err != nil {
					t.Fatal(err)
				}
				if b, err = z.DecodeAll(b, nil); err != nil {
					t.Fatal(err)
				}
			}
			sum = sha256.Sum256(b)
		}
		root.Append(archive.PayloadLeaf(name, sum))
	}
	is := envelope.Hash(root.Root()).String()
	at := strings.Index(text, `"payload_root":"`) + len(`"payload_root":"`)
	return text[:at] + is + text[at+len(is):]
}

func TestAttackSignerLiesAboutRecords(t *testing.T) {
	t.Parallel()
	w, cut := standard(t)
	same := func(l []string) []string { return l }
	for name, x := range map[string]struct {
		edit  func([]string) []string
		about func(string) string
		exit  int
	}{
		"nothing":         {same, nil, archive.ExitOK},
		"record left out": {func(l []string) []string { return append(l[:3:3], l[4:]...) }, nil, archive.ExitIncomplete},
		"tail left out":   {func(l []string) []string { return l[:len(l)-2] }, nil, archive.ExitIncomplete},
		"record twice":    {func(l []string) []string { return append(l[:4:4], l[3:]...) }, nil, archive.ExitTampered},
		"swapped":         {func(l []string) []string { l[7], l[8] = l[8], l[7]; return l }, nil, archive.ExitIncomplete},
		"withheld": {func(l []string) []string { l[3] = `{"index":3,"withheld":true}` + "\n"; return l }, nil,
			archive.ExitIncomplete},
		"duplicate key": {func(l []string) []string {
			l[3] = strings.Replace(l[3], `"index":3`, `"index":3,"index":3`, 1)
			return l
		}, nil, archive.ExitTampered},
		"spaces":     {func(l []string) []string { l[3] = strings.Replace(l[3], `"index":3`, `"index": 3`, 1); return l }, nil, archive.ExitTampered},
		"other leaf": {func(l []string) []string { l[3] = strings.Replace(l[4], `"index":4`, `"index":3`, 1); return l }, nil, archive.ExitTampered},
		"row rewritten": {func(l []string) []string {
			r := w.Records[1] // a link of the organisation's chain
			r.At++
			l[1] = archive.EncodeLine(&archive.Line{Index: 1, Leaf: r.Leaf()}) + "\n"
			return l
		}, nil, archive.ExitTampered},
		"counts":        {same, func(s string) string { return strings.Replace(s, `"messages":6`, `"messages":5`, 1) }, archive.ExitTampered},
		"status":        {same, func(s string) string { return strings.Replace(s, `"status":"complete"`, `"status":"fine"`, 1) }, archive.ExitTampered},
		"key twice":     {same, func(s string) string { return strings.Replace(s, `"build":"test"`, `"build":"test","build":"test"`, 1) }, archive.ExitTampered},
		"longer period": {same, func(s string) string { return strings.Replace(s, `"to":26`, `"to":27`, 1) }, archive.ExitTampered},
		"payload root": {same, func(s string) string {
			i := strings.Index(s, `"payload_root":"`) + 16
			return s[:i] + strings.Repeat("0", 64) + s[i+64:]
		}, archive.ExitTampered},
	} {
		dir := copyBag(t, cut.Dir)
		reseal(t, w, dir, x.edit, x.about)
		if r := verify(t, w, dir); r.Exit != x.exit {
			t.Errorf("%s: exit %d, want %d: %v", name, r.Exit, x.exit, r.Err)
		}
	}
}

func TestAttackBombs(t *testing.T) {
	t.Parallel()
	w, cut := standard(t)
	zeros := bytes.Repeat([]byte{' '}, 32<<20)
	dir := copyBag(t, cut.Dir)
	reseal(t, w, dir, func([]string) []string { return []string{string(zeros)} }, nil)
	wantExit(t, verify(t, w, dir), archive.ExitTampered)

	dir = copyBag(t, cut.Dir) // says that it is small
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "data/index/history.jsonl.zst", e.EncodeAll(zeros, nil))
	write(t, dir, "data/records/000001.jsonl.zst", e.EncodeAll(zeros, nil))
	forge(t, dir, w.Signer)
	wantExit(t, verify(t, w, dir), archive.ExitTampered)
}
