package adversary

import (
	"slices"
	"testing"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
)

// Each field of a header is changed on its way to one reader, one after the
// other. Places and heads are made to fit, so only the header's own checks stand.
func TestAttack25ChangedHeader(t *testing.T) {
	fields := []struct {
		name   string
		reason chain.Reason
		change func(*envelope.Header)
	}{
		{"version", chain.Malformed, func(h *envelope.Header) { h.Version++ }},
		{"salt commitment", chain.BadSignature, func(h *envelope.Header) { h.SaltCommit[0] ^= 1 }},
		{"organisation", chain.WrongChain, func(h *envelope.Header) { h.Org[0] ^= 1 }},
		{"channel", chain.WrongChain, func(h *envelope.Header) { h.Channel[0] ^= 1 }},
		{"epoch", chain.BadSignature, func(h *envelope.Header) { h.Epoch++ }},
		{"epoch link", chain.BadSignature, func(h *envelope.Header) { h.EpochLink[0] ^= 1 }},
		{"user", chain.NotMember, func(h *envelope.Header) { h.User[0] ^= 1 }},
		{"device", chain.DeviceUnknown, func(h *envelope.Header) { h.Device[0] ^= 1 }},
		{"number", chain.BadSignature, func(h *envelope.Header) { h.DeviceSeq++ }},
		{"previous", chain.BadSignature, func(h *envelope.Header) { h.DevicePrev[0] ^= 1 }},
		{"void", chain.BadSignature, func(h *envelope.Header) { h.DeviceSeq, h.Void = h.DeviceSeq+1, []uint64{h.DeviceSeq} }},
		{"seen", chain.BadSignature, func(h *envelope.Header) { h.Seen.Hash[0] ^= 1 }},
		{"time", chain.BadSignature, func(h *envelope.Header) { h.Time++ }},
		{"id", chain.BadSignature, func(h *envelope.Header) { h.ID[0] ^= 1 }},
		{"kind", chain.BadSignature, func(h *envelope.Header) { h.Kind, h.Target = envelope.Delete, h.Seen }},
		{"attachments", chain.BadSignature, func(h *envelope.Header) { h.Attachments = []envelope.Attachment{{Size: 100}} }},
		{"mentions", chain.BadSignature, func(h *envelope.Header) { h.Mentions = []envelope.UserID{h.User} }},
	}
	lies := make([]string, len(fields))
	for i, f := range fields {
		lies[i] = f.name
	}
	siege(t, func(d *desk) {
		d.say(d.ann, "as typed")
		var reason any
		if i := slices.Index(lies, d.lie); i >= 0 {
			reason = fields[i].reason
			d.tell("bob", d.rewritten(fields[i].change))
		}
		d.want(reason, "as typed", d.bob)
	}, lies...)
}

// rewritten changes the header of ann's message and leaves the rest as it is.
func (d *desk) rewritten(change func(*envelope.Header)) func([]envelope.Placed) []envelope.Placed {
	return func(placed []envelope.Placed) []envelope.Placed {
		p := &placed[find(placed, envelope.KindMessage)]
		h, err := envelope.ParseHeader(&p.Entry)
		d.must(err)
		change(h)
		p.Entry.Header = envelope.Marshal(h)
		return placed
	}
}

func TestAttack26CiphertextsSwapped(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.ann, "yes")
		d.say(d.ann, "no")
		if d.attacked {
			d.tell("bob", func(p []envelope.Placed) []envelope.Placed {
				last := len(p) - 1
				p[last].Entry.Payload, p[last-1].Entry.Payload = p[last-1].Entry.Payload, p[last].Entry.Payload
				return p
			})
		}
		d.want(chain.BadSignature, "yes no", d.bob)
	})
}
