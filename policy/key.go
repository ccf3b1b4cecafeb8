package policy

import "encoding/binary"

// key is a question as bytes, the same for equal questions only: every text has
// its length in front and whatever may be absent says whether it is. JSON would
// not do, because it writes all malformed UTF-8 alike. A test changes each field
// of a question and sees the key change.
type key []byte

func keyOf(q *Question) key {
	k := make(key, 0, 512)
	k.text(string(q.Action))
	k.subject(&q.Subject)
	k.resource(&q.Resource)
	k.context(&q.Context)
	return k
}

func (k *key) count(n int) { *k = binary.AppendUvarint(*k, uint64(n)) }

func (k *key) text(s string) {
	k.count(len(s))
	*k = append(*k, s...)
}

// has writes whether an optional part is there.
func (k *key) has(there bool) bool {
	if there {
		*k = append(*k, 1)
	} else {
		*k = append(*k, 0)
	}
	return there
}

func (k *key) number(n *int64) {
	if k.has(n != nil) {
		*k = binary.BigEndian.AppendUint64(*k, uint64(*n))
	}
}

func (k *key) flag(b *bool) {
	if k.has(b != nil) {
		k.has(*b)
	}
}

func (k *key) list(texts []string) {
	if !k.has(texts != nil) {
		return
	}
	k.count(len(texts))
	for _, s := range texts {
		k.text(s)
	}
}

func (k *key) subject(s *Subject) {
	k.text(s.ID)
	k.text(string(s.Kind))
	k.text(s.State)
	k.list(s.Roles)
	k.list(s.Scopes)
}

func (k *key) resource(r *Resource) {
	for _, s := range [...]string{string(r.Type), r.ID, r.Team, r.Owner, r.Privacy, r.State, r.TeamRole, r.MemberRole, r.MemberState, r.RequestedBy} {
		k.text(s)
	}
	k.flag(r.FirstDevice)
	k.number(r.Holds)
	if k.has(r.Approvals != nil) {
		k.count(len(r.Approvals))
		for _, a := range r.Approvals {
			k.text(a.By)
			k.text(a.Role)
		}
	}
	k.list(r.Auditors)
	k.list(r.Recorders)
	if k.has(r.Crypto != nil) {
		k.text(r.Crypto.Capture)
		k.number(r.Crypto.Epoch)
		k.flag(r.Crypto.RecorderAcked)
	}
}

func (k *key) context(c *Context) {
	k.number(c.Time)
	k.text(c.Transport)
	if k.has(c.Device != nil) {
		k.text(c.Device.ID)
		k.text(c.Device.State)
	}
	if k.has(c.Session != nil) {
		k.text(c.Session.ID)
		k.number(c.Session.AuthAt)
		k.number(c.Session.ExpiresAt)
	}
	if k.has(c.Overrides != nil) {
		k.count(len(c.Overrides))
		for _, o := range c.Overrides {
			k.text(o.Code)
			k.number(o.Until)
		}
	}
}
