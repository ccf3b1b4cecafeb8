package recorder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"chancery/compliance/archive"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// errWaiting tells that an export reaches further than what was opened so far.
var errWaiting = errors.New("waiting for entries to be opened")

func (r *Recorder) judgeExports(ctx context.Context) error {
	exports, err := r.Server.Exports(ctx)
	if err != nil {
		return err
	}
	waiting := map[string]bool{}
	for i := range exports {
		waiting[exports[i].ID.String()] = true
		r.report(about(exports[i].ID, r.runExport(ctx, &exports[i])))
	}
	return r.forgetOpenings(waiting)
}

// forgetOpenings removes what was kept for exports that no longer wait: the
// server took it, and only the answer was lost.
func (r *Recorder) forgetOpenings(waiting map[string]bool) error {
	kept, err := os.ReadDir(filepath.Join(r.Copy, "exports"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, file := range kept {
		if !waiting[file.Name()] {
			err = errors.Join(err, os.Remove(filepath.Join(r.Copy, "exports", file.Name())))
		}
	}
	return err
}

// runExport adds the openings to an export. They are made once and kept until
// the server took them, so that a crash doesn't leave two data keys about.
func (r *Recorder) runExport(ctx context.Context, e *Export) error {
	slices.SortFunc(e.Ranges, func(a, b Range) int { return bytes.Compare(a.Channel[:], b.Channel[:]) })
	readers, err := r.judgeExport(ctx, e)
	if errors.Is(err, errWaiting) {
		return nil
	}
	if err != nil {
		return err
	}
	openings, err := r.keptOpenings(e.ID)
	if errors.Is(err, os.ErrNotExist) {
		openings, err = r.makeOpenings(e, readers)
	}
	if err != nil {
		return err
	}
	if err := r.Server.Deliver(ctx, e.ID, openings); err != nil {
		return fmt.Errorf("delivering openings of %s: %w", e.ID, err)
	}
	return os.Remove(r.openingsPath(e.ID))
}

func (r *Recorder) openingsPath(export envelope.Hash) string {
	return filepath.Join(r.Copy, "exports", export.String())
}

func (r *Recorder) keptOpenings(export envelope.Hash) (*Openings, error) {
	raw, err := os.ReadFile(r.openingsPath(export))
	if err != nil {
		return nil, err
	}
	var o Openings
	if err := envelope.Unmarshal(raw, &o); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return &o, nil
}

// judgeExport decides by itself whether an export may be opened to its auditors,
// and gives their public keys.
func (r *Recorder) judgeExport(ctx context.Context, e *Export) ([][]byte, error) {
	order, err := parsed(envelope.ParseOrder[envelope.ExportOrder](e.Order.Bytes))
	if err != nil {
		return nil, err
	}
	if err := r.owns(order.Org); err != nil {
		return nil, err
	}
	if now := r.Now().UnixMicro(); order.NotAfter <= now {
		return nil, alarm(Expired, "schedule %q ended at %d", order.Schedule, order.NotAfter)
	}
	if err := r.agreed(ctx, &e.Order); err != nil {
		return nil, err
	}
	if err := r.checkRanges(order, e.Ranges); err != nil {
		return nil, err
	}
	readers, err := r.readers(order, e.Ranges)
	if err != nil {
		return nil, err
	}
	return readers, r.bind(e)
}

// agreed checks a schedule's approvals once: its runs are covered by them, also
// after an approver has left.
func (r *Recorder) agreed(ctx context.Context, o *Order) error {
	if r.orders.schedules[envelope.OrderHash(o.Bytes)] {
		return nil
	}
	if err := r.people.approved(ctx, o, scheduleBallot); err != nil {
		return err
	}
	return r.orders.write(&ledgerRecord{Kind: ledgerSchedule, Time: r.Now().UnixMicro(), Order: *o})
}

func (r *Recorder) checkRanges(order *envelope.ExportOrder, ranges []Range) error {
	for i, part := range ranges {
		if i > 0 && ranges[i-1].Channel == part.Channel {
			return alarm(OrderMalformed, "channel %s comes twice", part.Channel)
		}
		if len(order.Channels) > 0 && !slices.Contains(order.Channels, part.Channel) {
			return alarm(OutOfScope, "channel %s was not approved", part.Channel)
		}
		f, ok := r.known(part.Channel)
		if !ok || part.From == 0 {
			return alarm(NotRecorder, "channel %s from %d", part.Channel, part.From)
		}
		if f.standing().Opened < part.To || !f.delivers(part) {
			return errWaiting
		}
	}
	return nil
}

// delivers tells whether the openings of a range are this recorder's to give: who
// records now gives what it has of its time, who went only what is all of its own,
// so that of two who could, the one with more does.
func (f *follower) delivers(part Range) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	keepers := chain.Keepers(f.channel.Duties(), part.From, part.To)
	if !slices.Contains(keepers, f.ID()) {
		return len(keepers) == 0 // lost: an archive that says so is better than none
	}
	return slices.ContainsFunc(f.channel.Duties(), func(d chain.Duty) bool {
		return f.own(d) && d.Since < part.To && (d.Until == 0 || d.Since < part.From && part.To <= d.Until)
	})
}

// readers are the auditors' public keys, as the organisation lists them now.
func (r *Recorder) readers(order *envelope.ExportOrder, ranges []Range) ([][]byte, error) {
	if len(order.Auditors) == 0 {
		return nil, alarm(AuditorUnlisted, "no auditor is named")
	}
	var out [][]byte
	for _, id := range order.Auditors {
		party, ok := r.people.Org().Party(envelope.RoleAuditor, id)
		if !ok || ended(party, r.Now().UnixMicro()) {
			return nil, alarm(AuditorUnlisted, "auditor %s", id)
		}
		for _, part := range ranges {
			if !party.Covers(part.Channel) {
				return nil, alarm(OutOfScope, "auditor %s may not read channel %s", id, part.Channel)
			}
		}
		out = append(out, party.Recipient)
	}
	return out, nil
}

// bind ties an export's id to its order and ranges for ever.
func (r *Recorder) bind(e *Export) error {
	purpose := envelope.Frame("recorder-export", e.ID, envelope.OrderHash(e.Order.Bytes), envelope.Marshal(e.Ranges))
	if made, ok := r.orders.exports[e.ID]; ok {
		if made != envelope.SumBytes(purpose) {
			return alarm(ExportChanged, "asked for before with another order or range")
		}
		return nil
	}
	return r.orders.write(&ledgerRecord{
		Kind: ledgerExport, Time: r.Now().UnixMicro(), Object: e.ID, Order: e.Order, Data: purpose,
	})
}

// makeOpenings writes and keeps an export's openings. The data key lives only
// here and in the slip.
func (r *Recorder) makeOpenings(e *Export, readers [][]byte) (*Openings, error) {
	key := seal.NewDataKey()
	o := &Openings{KeyCommit: archive.KeyCommit(e.ID, key[:])}
	var sealed bytes.Buffer
	w, err := archive.NewOpeningsWriter(&sealed, e.ID, o.KeyCommit, func(aad, plain []byte) []byte {
		return seal.SealBytes(key, aad, plain)
	})
	if err != nil {
		return nil, err
	}
	for _, part := range e.Ranges {
		f, _ := r.known(part.Channel)
		n, err := f.export(w, part)
		if err != nil {
			return nil, inChannel(part.Channel, err)
		}
		o.Exceptions += n
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	o.Sealed, o.Count = sealed.Bytes(), w.Count()
	if o.Slip, err = r.slip(e.ID, key, readers); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(r.Copy, "exports"), 0o700); err != nil {
		return nil, err
	}
	return o, writeFile(r.openingsPath(e.ID), envelope.Marshal(o))
}

// export adds the openings of a range and counts the messages that don't open.
func (f *follower) export(w *archive.OpeningsWriter, part Range) (exceptions uint64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if part.From > part.To {
		return 0, nil
	}
	err = f.lookUp(part.From, part.To, func(p *envelope.Placed, rec *openingRecord) error {
		if rec.Exception != "" {
			exceptions++
		}
		if len(rec.Secret) == 0 {
			return nil
		}
		x, err := f.vault.unseal(p.Position, rec.Secret)
		if err != nil {
			return err
		}
		return w.Add(archive.Opening{
			Channel: f.id, Position: p.Position, Entry: p.Hash(), Secret: x[:], Exception: rec.Exception,
		})
	})
	return exceptions, err
}

// slip seals the data key to the readers.
func (r *Recorder) slip(export envelope.Hash, key seal.DataKey, readers [][]byte) ([]byte, error) {
	plain := envelope.Marshal(&archive.SlipKey{Type: archive.SlipKeyType, Org: r.Org, Archive: export, Key: key[:]})
	copies, err := seal.SealTo(r.Identity.Suite(), seal.ArchiveKey(r.Org, export), readers, plain)
	if err != nil {
		return nil, err
	}
	slip := archive.Slip{Version: envelope.Version, Archive: export}
	for _, c := range copies {
		slip.Copies = append(slip.Copies, archive.SlipCopy{Recipient: c.Recipient, File: c.File})
	}
	return envelope.Marshal(&slip), nil
}
