package session

import (
	"net/http"
	"strconv"
	"time"

	"chancery/cmd/internal/client"
	"chancery/compliance/record"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/sign"
	"chancery/crypto/suitetest"
	"chancery/crypto/tlog"
	"chancery/crypto/witness"
)

// testLog is a log as one client is shown it.
type testLog struct {
	leaves [][]byte
	points []testPoint // published, the smallest first
}

type testPoint struct {
	size int
	note []byte
}

// logs begins the log of an organisation.
func (h *honest) logs() {
	h.signer, h.log, h.other = suitetest.SignerKey(h.t), &testLog{}, map[envelope.UserID]*testLog{}
	h.list(envelope.Party{Role: envelope.RoleSigner, Name: "signer", Key: h.signer.Public()})
}

// record adds every entry of a channel that a log lacks.
func (l *testLog) record(h *honest, id envelope.ChannelID, placed []envelope.Placed) {
	for i := range placed {
		r := record.Record{
			Version: envelope.Version, ID: int64(len(l.leaves) + 1), Op: record.MessageCreate, Outcome: record.OK,
			At: placed[i].Received, Org: h.org.ID(),
		}
		r.SetEntry(id, placed[i].Position, placed[i].Head, &placed[i].Entry)
		l.leaves = append(l.leaves, r.Leaf())
	}
}

// publish signs the log as it is, with cosignatures by keys at the server's time.
func (l *testLog) publish(h *honest, by ...*seal.SigningKey) {
	h.t.Helper()
	origin := witness.Origin(h.org.ID())
	text, err := tlog.Checkpoint{Origin: origin, Size: int64(len(l.leaves)), Root: tlog.Root(l.leaves)}.MarshalText()
	if err != nil {
		h.t.Fatal(err)
	}
	note, err := sign.SignNote(string(text), origin, h.signer)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, k := range by {
		note = append(note, seal.Cosign(string(text), witness.CosignerName(h.org.ID(), k.ID()), h.now.Unix(), k)...)
	}
	l.points = []testPoint{{len(l.leaves), note}}
}

// cosigned logs what a channel has and has the recorder vouch for it.
func (h *honest) cosigned(c *Channel) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log.record(h, c.ID(), h.channels[c.ID()].placed[h.count(c.ID()):])
	h.log.publish(h, h.recorder.key)
}

// count tells how many entries of a channel are logged.
func (h *honest) count(id envelope.ChannelID) (n int) {
	for _, leaf := range h.log.leaves {
		if r, err := record.Parse(leaf); err == nil && r.Channel == id {
			n++
		}
	}
	return n
}

func (h *honest) later(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func (h *honest) logOf(r *http.Request) *testLog {
	if l, ok := h.other[caller(r)]; ok {
		return l
	}
	return h.log
}

func (h *honest) witnessed(r *http.Request) (any, *client.Problem) {
	known, _ := strconv.Atoi(r.URL.Query().Get("known"))
	l := h.logOf(r)
	out := wire.Witnessed{Checkpoints: []wire.LogPoint{}}
	for _, p := range l.points {
		point := wire.LogPoint{Note: string(p.note), Proof: []envelope.Hash{}}
		from, to := min(known, p.size), max(known, p.size)
		if from > 0 && to <= len(l.leaves) {
			proof, err := tlog.ProvePrefix(l.leaves[:to], int64(from))
			if err != nil {
				h.t.Error(err)
			}
			point.Proof = hashesOf(proof)
		}
		out.Checkpoints = append(out.Checkpoints, point)
	}
	return out, nil
}

func hashesOf(in []tlog.Hash) []envelope.Hash {
	out := make([]envelope.Hash, len(in))
	for i, x := range in {
		out[i] = envelope.Hash(x)
	}
	return out
}

func (h *honest) logged(r *http.Request) (any, *client.Problem) {
	size, _ := strconv.Atoi(r.URL.Query().Get("size"))
	position, _ := strconv.ParseUint(r.PathValue("position"), 10, 64)
	l := h.logOf(r)
	for i, leaf := range l.leaves[:min(size, len(l.leaves))] {
		rec, err := record.Parse(leaf)
		if err != nil || rec.Channel.String() != r.PathValue("channel") || rec.Position != position {
			continue
		}
		proof, err := tlog.Prove(l.leaves[:size], int64(i))
		if err != nil {
			h.t.Error(err)
		}
		return wire.Logged{Index: int64(i), Leaf: leaf, Proof: hashesOf(proof)}, nil
	}
	return nil, &client.Problem{Status: http.StatusNotFound, Code: "not_found"}
}
