package adversary

import (
	"testing"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
)

// A member and the server conspire: the member's device signs an epoch that the
// honest gate would refuse.

func TestAttack11EpochNumberReused(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.ann, "sealed once")
		if d.attacked {
			d.place(d.rotation(d.bob, nil, func(b *envelope.EpochBody, _ [][]byte) { b.N = 1 }))
		}
		d.want(chain.EpochBad, "sealed once", d.carol)
	})
}

func TestAttack12EpochOmitsMember(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.ann, "for all three")
		if d.attacked {
			d.place(d.rotation(d.bob, d.without(envelope.Hash(d.carol.Me.Chain)), nil))
		}
		d.want(chain.EpochBad, "for all three", d.ann, d.carol)
	})
}

func TestAttack13EpochOmitsRecorder(t *testing.T) {
	siegeCapture(t, func(d *desk) {
		d.say(d.ann, "recorded")
		if d.attacked {
			d.place(d.rotation(d.bob, d.without(envelope.Hash(d.recorder.key.ID())), nil))
		}
		d.want(chain.EpochBad, "recorded", d.ann)
		if err := d.record(); d.attacked {
			d.says("the recorder", err, chain.EpochBad)
		}
	})
}

// without leaves somebody out of an epoch's recipients.
func (d *desk) without(id envelope.Hash) func([]envelope.Recipient) []envelope.Recipient {
	return func(all []envelope.Recipient) (out []envelope.Recipient) {
		for _, r := range all {
			if r.ID != id {
				out = append(out, r)
			}
		}
		return out
	}
}
