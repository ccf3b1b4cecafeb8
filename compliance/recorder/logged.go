package recorder

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"chancery/compliance/record"
	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
	"chancery/crypto/witness"
)

// ledgerOfLog is what a recorder must not forget of the log.
type ledgerOfLog struct {
	Cosigned witness.Last                   `json:"cosigned"`
	Read     int64                          `json:"read"`  // records
	Peaks    []envelope.Hash                `json:"peaks"` // of the tree over them
	Channels map[envelope.ChannelID]*logged `json:"channels"`
}

// logged is how far a channel stands in the log.
type logged struct {
	To     uint64       `json:"to"`    // every position up to here is there
	Above  []uint64     `json:"above"` // and these
	Newest envelope.Ref `json:"newest"`
	Due    uint64       `json:"due"`    // was followed then, and must get there
	Since  int64        `json:"due_us"` // µs since 1970, UTC
}

func logFile(dir string) string { return filepath.Join(dir, "log.json") }

func openLog(dir string) (*ledgerOfLog, error) {
	l := &ledgerOfLog{Channels: map[envelope.ChannelID]*logged{}}
	raw, err := os.ReadFile(logFile(dir))
	if errors.Is(err, os.ErrNotExist) {
		return l, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, l)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", errDamaged, logFile(dir), err)
	}
	return l, nil
}

func (l *ledgerOfLog) save(dir string) error {
	raw, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return writeFile(logFile(dir), raw)
}

func (l *ledgerOfLog) clone() ledgerOfLog {
	c := *l
	c.Channels = make(map[envelope.ChannelID]*logged, len(l.Channels))
	for id, x := range l.Channels {
		copied := *x
		copied.Above = slices.Clone(x.Above)
		c.Channels[id] = &copied
	}
	return c
}

// forget has the log read again from its start.
func (l *ledgerOfLog) forget() {
	l.Read, l.Peaks = 0, nil
	clear(l.Channels)
}

func (l *ledgerOfLog) peaks() []tlog.Hash {
	out := make([]tlog.Hash, len(l.Peaks))
	for i, h := range l.Peaks {
		out[i] = tlog.Hash(h)
	}
	return out
}

func (l *ledgerOfLog) of(id envelope.ChannelID) *logged {
	x, ok := l.Channels[id]
	if !ok {
		x = &logged{}
		l.Channels[id] = x
	}
	return x
}

// note counts a record of an entry.
func (l *ledgerOfLog) note(rec *record.Record) {
	x := l.of(rec.Channel)
	if rec.Position > x.Newest.Position {
		x.Newest = envelope.Ref{Position: rec.Position, Hash: rec.Head}
	}
	if rec.Position <= x.To || slices.Contains(x.Above, rec.Position) {
		return
	}
	x.Above = append(x.Above, rec.Position)
	for {
		i := slices.Index(x.Above, x.To+1)
		if i < 0 {
			return
		}
		x.To, x.Above = x.To+1, slices.Delete(x.Above, i, i+1)
	}
}

// owe notes how far the channel was followed, and fails when the log has had its
// time to take in what was followed before.
func (x *logged) owe(position uint64, now time.Time) error {
	if x.Due > x.To && x.Due <= position {
		if now.UnixMicro()-x.Since > logWithin.Microseconds() {
			return alarm(NotLogged, "entry %d was followed %s ago and is not in the log, which has %d",
				x.Due, now.Sub(time.UnixMicro(x.Since)).Round(time.Second), x.To)
		}
		return nil
	}
	x.Due, x.Since = position, now.UnixMicro()
	return nil
}
