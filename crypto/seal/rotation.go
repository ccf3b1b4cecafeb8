package seal

import (
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
)

// Wraps is an epoch's seed, wrapped to everyone, and what the link says of it.
type Wraps struct {
	Files       [][]byte // one for each recipient, in order
	MembersRoot envelope.Hash
	WrapsRoot   envelope.Hash
	SeedCommit  envelope.Hash
}

// WrapAll wraps the seed of epoch e to all recipients, public keys of suite s,
// using every processor.
// Recipients rise strictly in the order of envelope.CompareRecipient. One bad
// public key fails the whole; the error names whose it is.
func WrapAll(s envelope.Suite, seed Seed, e Epoch, recipients []envelope.Recipient) (*Wraps, error) {
	for i := 1; i < len(recipients); i++ {
		if envelope.CompareRecipient(recipients[i-1], recipients[i]) >= 0 {
			return nil, fmt.Errorf("wrapping epoch %d: recipient %d is out of order", e.N, i)
		}
	}
	files, err := wrapEach(s, seed, e, recipients)
	if err != nil {
		return nil, err
	}
	var members, wraps tlog.RootBuilder
	for i := range recipients {
		members.Append(tlog.LeafHash(recipients[i].RecipientLeaf()))
		wraps.Append(tlog.LeafHash(recipients[i].WrapLeaf(envelope.SumBytes(files[i]))))
	}
	return &Wraps{
		files, envelope.Hash(members.Root()), envelope.Hash(wraps.Root()), SeedCommit(e.Channel, e.N, seed),
	}, nil
}

func wrapEach(s envelope.Suite, seed Seed, e Epoch, recipients []envelope.Recipient) ([][]byte, error) {
	files := make([][]byte, len(recipients))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, r := range recipients {
		group.Go(func() (err error) {
			if files[i], err = WrapSeed(s, seed, e, r.Public); err != nil {
				return fmt.Errorf("epoch %d, recipient %d (%s): %w", e.N, i, r.ID, err)
			}
			return nil
		})
	}
	return files, group.Wait()
}
