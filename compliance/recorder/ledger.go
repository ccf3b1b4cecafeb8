package recorder

import (
	"fmt"
	"io"

	"chancery/crypto/envelope"
)

// ledger remembers what was decided, so that the server can't take back a hold,
// outdate a rule or have an export made twice for different readers. One
// goroutine uses it.
type ledger struct {
	tape      *tape
	holds     map[envelope.Hash]*knownHold
	rules     map[string]knownRule
	schedules map[envelope.Hash]bool
	plans     map[envelope.Hash]*knownPlan
	exports   map[envelope.Hash]envelope.Hash // what each was made for
}

type knownHold struct {
	order    *envelope.HoldOrder
	released int64 // when this recorder verified the release, µs; 0 while it stands
}

type knownRule struct {
	hash  envelope.Hash
	order *envelope.RuleOrder
}

type knownPlan struct {
	order        *envelope.DisposalPlan
	confirmation []byte // the signed statement, once all of it is gone here
}

// Kinds of ledger records, and what Object and Data hold beside the order.
const (
	ledgerHold     = "hold"
	ledgerRelease  = "release" // Object: the hold
	ledgerRule     = "rule"
	ledgerSchedule = "schedule"
	ledgerPlan     = "plan"     // judged: disposal begins
	ledgerDisposed = "disposed" // Object: the plan; Data: the confirmation
	ledgerExport   = "export"   // Object: the export; Data: what it is made for
)

// ledgerRecord keeps the order with its approvals as evidence.
type ledgerRecord struct {
	_      struct{} `cbor:",toarray"`
	Kind   string
	Time   int64 // the recorder's clock, µs since 1970, UTC
	Object envelope.Hash
	Order  Order
	Data   []byte
}

func openLedger(dir string) (*ledger, error) {
	t, err := openTape(dir)
	if err != nil {
		return nil, err
	}
	l := &ledger{
		tape: t, holds: map[envelope.Hash]*knownHold{}, rules: map[string]knownRule{},
		schedules: map[envelope.Hash]bool{}, plans: map[envelope.Hash]*knownPlan{},
		exports: map[envelope.Hash]envelope.Hash{},
	}
	r := t.From(1)
	defer r.Close()
	for {
		raw, err := r.Next()
		if err == io.EOF {
			return l, nil
		}
		var rec ledgerRecord
		if err == nil {
			err = envelope.Unmarshal(raw, &rec)
		}
		if err == nil {
			err = l.learn(&rec)
		}
		if err != nil {
			t.Close()
			return nil, fmt.Errorf("reading ledger: %w: %w", errDamaged, err)
		}
	}
}

// write makes a decision durable, then known.
func (l *ledger) write(rec *ledgerRecord) error {
	if err := l.tape.Append(envelope.Marshal(rec)); err != nil {
		return err
	}
	if err := l.tape.Sync(); err != nil {
		return err
	}
	return l.learn(rec)
}

func (l *ledger) learn(rec *ledgerRecord) error {
	hash := envelope.OrderHash(rec.Order.Bytes)
	switch rec.Kind {
	case ledgerHold:
		o, err := envelope.ParseOrder[envelope.HoldOrder](rec.Order.Bytes)
		l.holds[hash] = &knownHold{order: o}
		return err
	case ledgerRelease:
		if h, ok := l.holds[rec.Object]; ok {
			h.released = rec.Time
		}
	case ledgerRule:
		o, err := envelope.ParseOrder[envelope.RuleOrder](rec.Order.Bytes)
		l.rules[o.ID] = knownRule{hash, o}
		return err
	case ledgerSchedule:
		l.schedules[hash] = true
	case ledgerPlan:
		o, err := envelope.ParseOrder[envelope.DisposalPlan](rec.Order.Bytes)
		l.plans[hash] = &knownPlan{order: o}
		return err
	case ledgerDisposed:
		if p, ok := l.plans[rec.Object]; ok {
			p.confirmation = rec.Data
		}
	case ledgerExport:
		l.exports[rec.Object] = envelope.SumBytes(rec.Data)
	default:
		return fmt.Errorf("record of kind %q", rec.Kind)
	}
	return nil
}

func (l *ledger) Close() error { return l.tape.Close() }
