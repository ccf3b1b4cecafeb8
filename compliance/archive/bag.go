package archive

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"chancery/crypto/envelope"
)

// unsigned are the files that no manifest lists: signatures, and the manifests
// of the manifests.
var unsigned = []string{dssePath, notePath, "tagmanifest-sha256.txt", "tagmanifest-sha384.txt"}

// always are the signed files that every archive has.
var always = []string{bagitPath, aboutPath, readmePath, "manifest-sha256.txt", "manifest-sha384.txt", pointPath, proofPath,
	orgPath, usersPath, peoplePath, channelPath, historyPath, missPath}

var digests = []struct {
	name string
	size int // of the digest in bytes
}{{"sha256", sha256.Size}, {"sha384", sha512.Size384}}

// checkFiles is rung 1.
func (c *climb) checkFiles() ([]string, error) {
	if err := c.list(); err != nil {
		return nil, err
	}
	if err := c.checkThere(); err != nil {
		return nil, err
	}
	if err := c.checkBagit(); err != nil {
		return nil, err
	}
	tags, err := c.readManifests("tagmanifest-", false)
	if err != nil {
		return nil, err
	}
	payload, err := c.readManifests("manifest-", true)
	if err != nil {
		return nil, err
	}
	c.payload = payload
	var total int64
	for name, size := range c.files {
		total += size
		if _, tag := tags[name]; !tag && payload[name] == nil && !slices.Contains(unsigned, name) {
			return nil, tampered("%s is listed in no manifest", name)
		}
	}
	if err := c.readAbout(); err != nil {
		return nil, err
	}
	if err := c.checkPolicies(payload); err != nil {
		return nil, err
	}
	return []string{fmt.Sprintf("%d files, %d bytes match SHA-256 and SHA-384", len(tags)+len(payload), total)}, nil
}

// readManifests reads a pair of manifests, which must list the same files, and
// checks every file in them. It gives each file's digests. Tag files come
// first, so that a payload manifest is not read before its own digest is good.
func (c *climb) readManifests(prefix string, payload bool) (map[string][]string, error) {
	both := map[string][]string{}
	for i, d := range digests {
		list, err := c.readManifest(prefix+d.name+".txt", d.size, payload)
		if err != nil {
			return nil, err
		}
		for name, digest := range list {
			if both[name] = append(both[name], digest); len(both[name]) != i+1 {
				return nil, tampered("%s is listed in one manifest only", name)
			}
		}
		if len(list) != len(both) {
			return nil, tampered("the manifests %s* list different files", prefix)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(both)) {
		if !known(name) {
			return nil, tampered("%s has no place in an archive", name)
		}
		if _, there := c.files[name]; !there {
			return nil, incomplete("%s is missing", name)
		}
		if err := c.checkDigests(name, both[name][0], both[name][1]); err != nil {
			return nil, err
		}
	}
	return both, nil
}

// list walks the bag. Only plain files under safe names are let in.
func (c *climb) list() error {
	c.files = map[string]int64{}
	return fs.WalkDir(c.fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name == "." {
			return nil
		}
		if name != readmePath && !safePath.MatchString(name) {
			return tampered("path %q is not one that a bag may have", name)
		}
		if d.IsDir() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return tampered("%s is not a plain file", name)
		}
		c.files[name] = info.Size()
		return nil
	})
}

// checkThere checks that nothing is missing that every archive has, also when it
// is empty.
func (c *climb) checkThere() error {
	for _, name := range slices.Concat(unsigned, always) {
		if _, ok := c.files[name]; !ok {
			return incomplete("%s is missing", name)
		}
	}
	return nil
}

func (c *climb) checkBagit() error {
	b, err := c.readFile(bagitPath, int64(len(bagit)))
	if err != nil || string(b) != bagit {
		return tampered("%s is not that of a BagIt 1.0 bag", bagitPath)
	}
	return nil
}

// readFile reads a file of at most limit bytes.
func (c *climb) readFile(name string, limit int64) ([]byte, error) {
	size, ok := c.files[name]
	switch {
	case !ok:
		return nil, incomplete("%s is missing", name)
	case size > limit:
		return nil, tampered("%s has %d bytes, limit %d", name, size, limit)
	}
	f, err := c.fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit+1))
}

// readManifest reads one manifest: "digest  path" lines in the order of paths.
func (c *climb) readManifest(name string, size int, payload bool) (map[string]string, error) {
	f, err := c.fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, incomplete("%s is missing", name)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !payload { // the tag manifests name the archive; the others are covered by them
		sum := sha256.New()
		defer func() { c.nameBy(name, envelope.Hash(sum.Sum(nil))) }()
		return scanManifest(name, io.TeeReader(f, sum), size, payload)
	}
	return scanManifest(name, f, size, payload)
}

func (c *climb) nameBy(manifest string, sum envelope.Hash) {
	if strings.Contains(manifest, "sha256") {
		c.manifest = sum
	} else {
		c.other = sum
	}
}

func scanManifest(name string, src io.Reader, size int, payload bool) (map[string]string, error) {
	out := map[string]string{}
	last := ""
	r := bufio.NewReader(src) // a longer line than its buffer is refused
	for {
		b, err := r.ReadSlice('\n')
		line := string(b)
		if err == io.EOF && line == "" {
			return out, nil
		}
		if err != nil {
			return nil, tampered("%s does not end in a newline", name)
		}
		digest, file, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		raw, err := hex.DecodeString(digest)
		if !ok || err != nil || len(raw) != size || hex.EncodeToString(raw) != digest {
			return nil, tampered("%s: malformed line", name)
		}
		if file <= last || strings.HasPrefix(file, "data/") != payload || slices.Contains(unsigned, file) {
			return nil, tampered("%s: %q is out of place", name, file)
		}
		out[file], last = digest, file
	}
}

// known tells whether a listed file is one of the format's.
func known(name string) bool {
	if name == OpeningsPath || slices.Contains(always, name) {
		return true
	}
	switch path.Dir(name) + "/" {
	case recordsDir, filesDir, policyDir, certsDir:
		return true
	}
	return strings.HasPrefix(name, tilePrefix+"tile/")
}

func (c *climb) checkDigests(name, short, long string) error {
	f, err := c.fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	a, b := sha256.New(), sha512.New384()
	if _, err := io.Copy(io.MultiWriter(a, b), f); err != nil {
		return err
	}
	if hex.EncodeToString(a.Sum(nil)) != short || hex.EncodeToString(b.Sum(nil)) != long {
		return tampered("%s does not match its digest", name)
	}
	return nil
}

// readAbout reads archive.json and checks what it says of itself.
func (c *climb) readAbout() error {
	raw, err := c.readFile(aboutPath, maxAbout)
	if err != nil {
		return err
	}
	if err := decodeLine(raw, &c.about); err != nil {
		return tampered("%s: %w", aboutPath, err)
	}
	a := &c.about
	switch {
	case a.Format != Format:
		return tampered("format %q", a.Format)
	case a.ID != a.Header.ID():
		return tampered("archive id does not follow from schedule, period and previous archive")
	case !a.counted():
		return tampered("%s counts below nothing", aboutPath)
	case (a.Exceptions > 0) != (a.Status == WithExceptions), a.Status != Complete && a.Status != WithExceptions:
		return tampered("status %q with %d exceptions", a.Status, a.Exceptions)
	}
	return c.checkSegments()
}

// counted tells that nothing is counted below nothing. A sum could hide a
// negative number, so each is looked at before any is used.
func (a *About) counted() bool {
	if min(a.From, a.Checkpoint.Size) < 0 || min(a.Exceptions, a.Files, a.Messages, a.Withheld) < 0 {
		return false
	}
	for _, n := range a.Counts {
		if n < 0 {
			return false
		}
	}
	return !slices.ContainsFunc(a.Segments, func(s Segment) bool { return s.PlainSize < 0 })
}

// checkPolicies checks that the policy bundles are named by their SHA-256.
func (c *climb) checkPolicies(digests map[string][]string) error {
	var names []string
	for name := range c.files {
		if file, ok := strings.CutPrefix(name, policyDir); ok {
			names = append(names, file)
			if file != digests[name][0]+".tar.gz" {
				return tampered("%s is not named by its SHA-256", name)
			}
		}
	}
	slices.Sort(names)
	if !slices.Equal(names, c.about.Policies) {
		return tampered("%s does not list the policy bundles that are there", aboutPath)
	}
	return nil
}

// checkSegments checks that the segments cover the period, and that none can
// unpack to more than a reader expects.
func (c *climb) checkSegments() error {
	next := c.about.From
	paths := map[string]bool{}
	for i, s := range c.about.Segments {
		size, ok := c.files[s.Path]
		switch {
		case !ok:
			return incomplete("%s is missing", s.Path)
		case s.Path != fmt.Sprintf("%s%06d.jsonl.zst", recordsDir, i+1) || s.First != next || s.Last < s.First:
			return tampered("segment %s of [%d, %d] is out of place", s.Path, s.First, s.Last)
		case s.PlainSize > MaxSegment+maxLine || s.PlainSize > maxRatio*size:
			return tampered("segment %s unpacks from %d to %d bytes", s.Path, size, s.PlainSize)
		}
		paths[s.Path] = true
		next = s.Last + 1
	}
	if next != c.about.To {
		return incomplete("segments end at %d, the period at %d", next, c.about.To)
	}
	for name := range c.files {
		if strings.HasPrefix(name, recordsDir) && !paths[name] {
			return tampered("%s is no segment", name)
		}
	}
	return nil
}

// eachLine gives every line of a file to visit. A compressed file may unpack to
// maxPlain bytes. It returns the SHA-256 of the plain bytes.
func (c *climb) eachLine(name string, maxPlain int64, visit func(line []byte) error) (envelope.Hash, error) {
	f, err := c.fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return envelope.Hash{}, incomplete("%s is missing", name)
	}
	if err != nil {
		return envelope.Hash{}, err
	}
	defer f.Close()
	var src io.Reader = f
	if strings.HasSuffix(name, ".zst") {
		z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(16<<20), zstd.WithDecoderMaxMemory(64<<20))
		if err != nil {
			return envelope.Hash{}, err
		}
		defer z.Close()
		src = z
	}
	sum := sha256.New()
	limited := &io.LimitedReader{R: src, N: maxPlain + 1}
	err = scanLines(name, bufio.NewReaderSize(io.TeeReader(limited, sum), maxLine), visit)
	if limited.N <= 0 {
		return envelope.Hash{}, tampered("%s unpacks to more than %d bytes", name, maxPlain)
	}
	return envelope.Hash(sum.Sum(nil)), err
}

func scanLines(name string, r *bufio.Reader, visit func([]byte) error) error {
	for n := 1; ; n++ {
		line, err := r.ReadSlice('\n')
		if err == io.EOF && len(line) == 0 {
			return nil
		}
		if err != nil {
			return tampered("%s: line %d: %v", name, n, err)
		}
		if err := visit(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
			return fmt.Errorf("%s: line %d: %w", name, n, err)
		}
	}
}

// eachOf is eachLine over lines of one type.
func eachOf[T any](c *climb, name string, maxPlain int64, visit func(*T) error) error {
	_, err := c.eachLine(name, maxPlain, func(line []byte) error {
		var v T
		if err := decodeLine(line, &v); err != nil {
			return tampered("%w", err)
		}
		return visit(&v)
	})
	return err
}
