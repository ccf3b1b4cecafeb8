package recorder

import (
	"slices"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// dispose carries out a plan that was judged and written down, and keeps the
// signed confirmation. It may be done again after a crash at any point.
func (r *Recorder) dispose(id envelope.Hash, plan *envelope.DisposalPlan) error {
	parts := byChannel(plan.Ranges)
	var disposed uint64
	for _, channel := range channels(parts) {
		f, ok := r.known(channel)
		if !ok {
			continue
		}
		n, err := f.dispose(parts[channel])
		if err != nil {
			return err
		}
		disposed += n
	}
	statement, err := seal.SignStatement(envelope.LabelConfirmation, &envelope.Confirmation{
		Version: envelope.Version, Org: r.Org, Plan: id, Recorder: r.ID(), Disposed: disposed, Time: r.Now().UnixMicro(),
	}, r.Key)
	if err != nil {
		return err
	}
	return r.orders.write(&ledgerRecord{Kind: ledgerDisposed, Time: r.Now().UnixMicro(), Object: id, Data: statement})
}

// dispose destroys the leaves first: from then on the secrets are gone, whatever
// copies of the files exist. What is left is bytes that nobody can read, and
// they go next. Headers and hashes stay.
func (f *follower) dispose(parts []envelope.DisposalRange) (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var positions []uint64
	from, to := ^uint64(0), uint64(0)
	for _, part := range parts {
		from, to = min(from, part.From), max(to, part.To)
		err := f.walk(part.From, part.To, func(p *envelope.Placed) error {
			if p.Entry.Kind == envelope.KindMessage {
				positions = append(positions, p.Position)
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	slices.Sort(positions)
	positions = slices.Compact(positions)
	if err := f.vault.puncture(positions); err != nil {
		return 0, err
	}
	return uint64(len(positions)), f.reclaim(from, to, positions)
}

func (f *follower) reclaim(from, to uint64, positions []uint64) error {
	err := f.openings.Rewrite(from, to, func(n uint64, raw []byte) ([]byte, error) {
		if _, ok := slices.BinarySearch(positions, n); !ok {
			return raw, nil
		}
		var rec openingRecord
		if err := envelope.Unmarshal(raw, &rec); err != nil {
			return nil, err
		}
		rec.Secret, rec.Disposed = nil, true
		return envelope.Marshal(&rec), nil
	})
	if err != nil {
		return err
	}
	return f.entries.Rewrite(from, to, func(n uint64, raw []byte) ([]byte, error) {
		if _, ok := slices.BinarySearch(positions, n); !ok {
			return raw, nil
		}
		return f.strip(raw)
	})
}

// strip drops a message's payload and files.
func (f *follower) strip(raw []byte) ([]byte, error) {
	p, err := parseKept(raw)
	if err != nil {
		return nil, err
	}
	h, err := parseHeader(p)
	if err != nil {
		return nil, err
	}
	if err := f.dropFiles(h); err != nil {
		return nil, err
	}
	p.Entry.Payload = nil
	return envelope.Marshal(p), nil
}
