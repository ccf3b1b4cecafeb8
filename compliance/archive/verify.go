package archive

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
)

// Trust is what an auditor brings along: the id of the organisation's genesis.
// Every other key follows from the organisation's chain inside the archive.
type Trust struct {
	Org envelope.OrgID `json:"org"`
}

// Verifier climbs the ladder for one archive, or for the archives of one
// schedule, oldest first, each of which must then continue the one before.
type Verifier struct {
	trust Trust
	last  *climb // the archive before
	dir   *directory
	// follow holds the channels of all archives so far.
	follow map[envelope.ChannelID]*channelState
}

// NewVerifier makes a verifier that has seen no archive yet.
func NewVerifier(t Trust) *Verifier {
	return &Verifier{trust: t, dir: &directory{}, follow: map[envelope.ChannelID]*channelState{}}
}

// climb is the state of verifying one archive: what lower rungs have shown.
type climb struct {
	*Verifier
	fsys         fs.FS
	reading      *Reading
	files        map[string]int64    // sizes by path
	payload      map[string][]string // digests in hex by path
	about        About
	manifest     envelope.Hash // SHA-256 of tagmanifest-sha256.txt
	other        envelope.Hash
	signers      []envelope.Party
	certificates []*certificate
	links        map[envelope.Hash]bool // every link of the identity chains
	channels     map[envelope.ChannelID]*channelState
	missing      map[missingKey]bool
	replay       replayCounts
	refused      int // the rung among 6 to 8 that the replay refused, 0 when none
	failure      error
	report       *Report
}

type rung struct {
	number int
	name   string
	check  func() ([]string, error)
}

// Verify climbs rungs 1 to 9. Rung 9 is skipped when reading is nil. After the
// first refusal nothing above is looked at: it would build on sand. A verifier
// that refused is spent.
func (v *Verifier) Verify(fsys fs.FS, reading *Reading) *Report {
	c := &climb{Verifier: v, fsys: fsys, reading: reading, report: &Report{}}
	for _, r := range c.rungs() {
		c.climb(r)
	}
	c.conclude()
	return c.report
}

func (c *climb) rungs() []rung {
	return []rung{
		{1, "hashes, no other files, safe paths, no bombs", c.checkFiles},
		{2, "signatures by signers that the organisation lists", c.checkSignatures},
		{3, "ordinal and previous archive", c.checkPlace},
		{4, "checkpoint, tiles and consistency", c.checkLog},
		{5, "each record of the period exactly once", c.checkRecords},
		{6, "no holes in any channel but certified ones", c.checkHoles},
		{7, "device counters, sender signatures, files", c.checkSenders},
		{8, "members, epochs, acknowledgements, coverage, consents", c.checkRights},
		{9, "every message opens to what its sender signed", c.checkOpenings},
	}
}

func (c *climb) climb(r rung) {
	out := Rung{Number: r.number, Name: r.name}
	switch {
	case c.report.Err != nil:
		out.Verdict = NotReached
	case r.number == 9 && c.reading == nil:
		out.Verdict, out.Why = Skipped, "no key slip and identity given"
	default:
		evidence, err := r.check()
		out.Verdict, out.Evidence = Passed, evidence
		if err != nil {
			out.Verdict, out.Why = Refused, err.Error()
			c.report.Err = fmt.Errorf("rung %d: %w", r.number, err)
		}
	}
	c.report.Rungs = append(c.report.Rungs, out)
}

func (c *climb) conclude() {
	r := c.report
	r.Archive, r.Org, r.Schedule, r.Ordinal = c.about.ID, c.about.Org, c.about.Schedule, c.about.Ordinal
	r.From, r.To, r.Messages = c.about.From, c.about.To, c.about.Messages
	r.Exit = exitOf(r.Err)
	if r.Err != nil {
		return
	}
	c.last = c
	maps.Copy(c.follow, c.channels)
	if len(r.Exceptions) > 0 {
		r.Exit = ExitExceptions
	}
}

// directory holds the chains of the archive in hand. Channels keep pointing at
// it while they are followed from archive to archive.
type directory struct {
	org   *chain.Org
	users map[envelope.UserID]*chain.User
}

func (d *directory) Org() *chain.Org { return d.org }

func (d *directory) User(id envelope.UserID) (*chain.User, bool) { u, ok := d.users[id]; return u, ok }

// Peek reads what an archive says of itself, unchecked: enough to put archives
// in order before they are verified.
func Peek(fsys fs.FS) (*Header, error) {
	f, err := fsys.Open(aboutPath)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxAbout))
	if err != nil {
		return nil, err
	}
	var a About
	if err := json.Unmarshal(raw, &a); err != nil {
		return nil, fmt.Errorf("reading %s: %w", aboutPath, err)
	}
	return &a.Header, nil
}
