package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"chancery/compliance/record"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
	"chancery/crypto/witness"
)

// checkLog is rung 4.
func (c *climb) checkLog() ([]string, error) {
	raw, err := c.readFile(pointPath, maxNote)
	if err != nil {
		return nil, err
	}
	trusted, err := witness.Verifiers(c.dir.org)
	if err != nil {
		return nil, err
	}
	point, err := c.openNote(pointPath, raw, witness.Origin(c.about.Org), trusted)
	if err != nil {
		return nil, err
	}
	if said := c.about.Checkpoint; point.Size != said.Size || point.Root != tlog.Hash(said.Root) {
		return nil, tampered("%s is of another tree than %s says", pointPath, aboutPath)
	}
	if c.about.To > point.Size {
		return nil, tampered("the period ends at %d, the log at %d", c.about.To, point.Size)
	}
	if err := c.checkTiles(point); err != nil {
		return nil, err
	}
	grown, err := c.checkConsistency()
	if err != nil {
		return nil, err
	}
	return []string{
		fmt.Sprintf("the log of %d records has root %s; a listed signer signed it", point.Size, envelope.Hash(point.Root)),
		grown, cosigned(c.dir.org, raw),
	}, nil
}

// cosigned tells who besides the server vouches for the log.
func cosigned(org *chain.Org, note []byte) string {
	n, err := witness.Read(org, note)
	if err != nil || len(n.Cosigned) == 0 {
		return "no recorder or witness cosigned the checkpoint: a second log, shown to others, would not be noticed"
	}
	var by []string
	for key, at := range n.Cosigned {
		by = append(by, key.String()+" at "+at.Format(time.RFC3339))
	}
	slices.Sort(by)
	return "cosigned by " + strings.Join(by, ", ")
}

// checkTiles checks that the tiles of the period, and no others, are there and
// hash up to the root.
func (c *climb) checkTiles(point tlog.Checkpoint) error {
	want := map[string]bool{}
	for _, t := range tlog.RangeTiles(point.Size, c.about.From, c.about.To) {
		name := tilePrefix + t.Path()
		want[name] = true
		if _, ok := c.files[name]; !ok {
			return incomplete("%s is missing", name)
		}
	}
	for name := range c.files {
		if strings.HasPrefix(name, tilePrefix+"tile/") && !want[name] {
			return tampered("%s is no tile of the period", name)
		}
	}
	return c.eachLeaf(func(int64, tlog.Hash) error { return nil })
}

func (c *climb) eachLeaf(visit func(int64, tlog.Hash) error) error {
	sub, err := fs.Sub(c.fsys, "log")
	if err != nil {
		return err
	}
	point := tlog.Checkpoint{Size: c.about.Checkpoint.Size, Root: tlog.Hash(c.about.Checkpoint.Root)}
	if err := tlog.VerifyTiles(sub, point, c.about.From, c.about.To, visit); err != nil {
		if errors.Is(err, tlog.ErrTile) {
			return tampered("log: %w", err)
		}
		return err
	}
	return nil
}

func (c *climb) checkConsistency() (string, error) {
	raw, err := c.readFile(proofPath, maxStatement)
	if err != nil {
		return "", err
	}
	var proof Consistency
	if err := decodeLine(raw, &proof); err != nil {
		return "", tampered("%s: %w", proofPath, err)
	}
	if c.about.Previous == nil {
		if len(proof.Proof) != 0 {
			return "", tampered("%s proves something about no earlier checkpoint", proofPath)
		}
		return "there is no earlier checkpoint", nil
	}
	old, now := c.about.Previous.Checkpoint, c.about.Checkpoint
	hashes := make([]tlog.Hash, len(proof.Proof))
	for i, h := range proof.Proof {
		hashes[i] = tlog.Hash(h)
	}
	if err := tlog.VerifyConsistency(old.Size, tlog.Hash(old.Root), now.Size, tlog.Hash(now.Root), hashes); err != nil {
		return "", tampered("%w", err)
	}
	return fmt.Sprintf("it extends the log of %d records that the archive before carries", old.Size), nil
}

// archived is one line of data/records, decoded.
type archived struct {
	index  int64
	record *record.Record   // nil when withheld
	leaf   tlog.Hash        // of the record
	placed *envelope.Placed // nil when the record has no position
}

// eachRecord gives every record of the archive to visit, in the order of lines.
func (c *climb) eachRecord(visit func(*archived) error) error {
	for _, s := range c.about.Segments {
		sum, err := c.eachLine(s.Path, s.PlainSize, func(line []byte) error {
			a, err := parseLine(line)
			if err != nil {
				return tampered("%w", err)
			}
			return visit(a)
		})
		if err != nil {
			return err
		}
		if sum != s.PlainSHA256 {
			return tampered("%s unpacks to other bytes than %s says", s.Path, aboutPath)
		}
	}
	return nil
}

func parseLine(b []byte) (*archived, error) {
	var l Line
	if err := decodeLine(b, &l); err != nil {
		return nil, err
	}
	a := &archived{index: l.Index}
	if l.Withheld {
		if len(l.Leaf)+len(l.Entry) > 0 {
			return nil, fmt.Errorf("%w: record %d is withheld and there", envelope.ErrFormat, l.Index)
		}
		return a, nil
	}
	var err error
	if a.record, err = record.Parse(l.Leaf); err != nil {
		return nil, err
	}
	a.leaf = tlog.LeafHash(l.Leaf)
	if len(l.Entry) > 0 {
		a.placed, err = envelope.ParsePlaced(l.Entry)
	}
	return a, err
}

// checkRecords is rung 5: lines and leaves are read side by side.
func (c *climb) checkRecords() ([]string, error) {
	scoped, err := c.scope()
	if err != nil {
		return nil, err
	}
	next, stop := iter.Pull2(c.records())
	defer stop()
	withheld, counts := 0, map[string]int{}
	err = c.eachLeaf(func(index int64, leaf tlog.Hash) error {
		a, err, ok := next()
		if !ok {
			return incomplete("record %d is missing", index)
		}
		if err != nil {
			return err
		}
		if a.record == nil {
			withheld++
		} else {
			counts[string(a.record.Op.Class())]++
		}
		return checkRecord(a, index, leaf, scoped, c.about.Org)
	})
	if err != nil {
		return nil, err
	}
	if a, err, more := next(); more && err == nil {
		return nil, tampered("record %d is not of the period", a.index)
	} else if err != nil {
		return nil, err
	}
	if err := c.checkCounts(withheld, counts); err != nil {
		return nil, err
	}
	if err := c.checkPayloadRoot(); err != nil {
		return nil, err
	}
	return []string{fmt.Sprintf("records [%d, %d): %d there, %d out of the order's scope", c.about.From, c.about.To, c.about.To-c.about.From-int64(withheld), withheld),
		"payload root " + c.about.PayloadRoot.String()}, nil
}

// scope tells whether the order leaves anything out.
func (c *climb) scope() (bool, error) {
	order, err := envelope.ParseOrder[envelope.ExportOrder](c.about.Order)
	if err != nil {
		return false, tampered("order: %w", err)
	}
	if order.Org != c.about.Org || order.Schedule != c.about.Schedule {
		return false, tampered("order of schedule %q", order.Schedule)
	}
	return len(order.Channels) > 0, nil
}

func (c *climb) records() iter.Seq2[*archived, error] {
	return func(yield func(*archived, error) bool) {
		stopped := fmt.Errorf("stopped")
		err := c.eachRecord(func(a *archived) error {
			if !yield(a, nil) {
				return stopped
			}
			return nil
		})
		if err != nil && err != stopped {
			yield(nil, err)
		}
	}
}

func checkRecord(a *archived, index int64, leaf tlog.Hash, scoped bool, org envelope.OrgID) error {
	if a.index < index {
		return tampered("record %d is there twice or out of order", a.index)
	}
	if a.index > index {
		return incomplete("record %d is missing", index)
	}
	r := a.record
	if r == nil {
		if !scoped {
			return incomplete("record %d is withheld, though the order leaves nothing out", index)
		}
		return nil
	}
	switch {
	case a.leaf != leaf:
		return tampered("record %d is not the one in the log", index)
	case r.Org != org:
		return tampered("record %d is of organisation %s", index, r.Org)
	case r.Position != 0 && a.placed == nil:
		return incomplete("record %d has no entry", index)
	case r.Position == 0 && a.placed != nil:
		return tampered("record %d has an entry without a position", index)
	}
	return checkEntry(a)
}

// checkEntry ties an entry to its record, and so to the log.
func checkEntry(a *archived) error {
	p, r := a.placed, a.record
	if p == nil {
		return nil
	}
	switch {
	case len(p.Salt) != 0:
		return tampered("record %d carries a salt, which no archive may have", a.index)
	case p.Position != r.Position || p.Hash() != r.Entry || p.Head != r.Head:
		return tampered("record %d carries another entry", a.index)
	case envelope.SumBytes(p.Entry.Header) != r.Header || p.Payload != r.Payload:
		return tampered("record %d carries another header or payload", a.index)
	}
	return nil
}

func (c *climb) checkCounts(withheld int, counts map[string]int) error {
	same := withheld == c.about.Withheld && len(counts) == len(c.about.Counts)
	for class, n := range counts {
		same = same && c.about.Counts[class] == n
	}
	if !same {
		return tampered("%s counts other records than are there", aboutPath)
	}
	if !slices.IsSorted(c.about.Policies) {
		return tampered("%s lists policies out of order", aboutPath)
	}
	return nil
}

// checkPayloadRoot computes the root over the plain payload.
func (c *climb) checkPayloadRoot() error {
	plain := map[string]envelope.Hash{}
	for _, s := range c.about.Segments {
		plain[s.Path] = s.PlainSHA256
	}
	var err error
	if plain[historyPath], err = c.eachLine(historyPath, maxPlainChains, func([]byte) error { return nil }); err != nil {
		return err
	}
	var root tlog.RootBuilder
	for _, name := range slices.Sorted(maps.Keys(c.payload)) {
		sum, compressed := plain[name]
		if !compressed {
			if sum, err = envelope.ID[envelope.Hash](c.payload[name][0]); err != nil {
				return err
			}
		}
		if !strings.HasPrefix(name, keysDir) {
			root.Append(payloadLeaf(name, sum))
		}
	}
	if envelope.Hash(root.Root()) != c.about.PayloadRoot {
		return tampered("the payload has another root than %s says", aboutPath)
	}
	return nil
}
