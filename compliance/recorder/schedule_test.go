package recorder

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"

	"chancery/compliance/archive"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

func (c *court) schedule(edit func(*envelope.ExportOrder)) Order {
	auditor := envelope.Party{Recipient: c.auditor.Recipient()}
	s := &envelope.ExportOrder{
		Version: envelope.Version, Org: c.world.org.ID(), Schedule: "daily", Revision: 1, Channels: []envelope.ChannelID{c.channel.ID()},
		Auditors: []envelope.KeyID{auditor.ID()}, NotAfter: c.now.Add(24 * time.Hour).UnixMicro(),
	}
	if edit != nil {
		edit(s)
	}
	o := c.order(s)
	c.approve(&o, c.cora, actionSchedule)
	c.approve(&o, c.leo, actionScheduleAgree)
	return o
}

func (c *court) export(o Order) {
	c.exports = []Export{{
		ID: envelope.Hash{7}, Order: o, Ranges: []Range{{Channel: c.channel.ID(), From: 1, To: c.messages[2].Position}},
	}}
}

func TestExport(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	c.export(c.schedule(nil))
	c.want(c.judge(), "")
	if len(c.delivered) != 1 || c.delivered[0].Count != 3 {
		t.Fatalf("delivered %+v", c.delivered)
	}
	c.checkOpenings(c.delivered[0])
}

// checkOpenings reads openings as the auditor does.
func (c *court) checkOpenings(o *Openings) {
	t := c.world.t
	t.Helper()
	var slip archive.Slip
	if err := envelope.Unmarshal(o.Slip, &slip); err != nil {
		t.Fatal(err)
	}
	var copies []seal.Copy
	for _, s := range slip.Copies {
		copies = append(copies, seal.Copy{Recipient: s.Recipient, File: s.File})
	}
	var key archive.SlipKey
	if err := envelope.Unmarshal(must(seal.OpenSlip(c.auditor, seal.ArchiveKey(c.world.org.ID(), slip.Archive), copies)), &key); err != nil {
		t.Fatal(err)
	}
	if archive.KeyCommit(envelope.Hash{7}, key.Key) != o.KeyCommit {
		t.Fatal("commitment is of another key")
	}
	open := func(aad, sealed []byte) ([]byte, error) { return seal.OpenBytes(seal.DataKey(key.Key), aad, sealed) }
	i := 0
	err := archive.ReadOpenings(bytes.NewReader(o.Sealed), envelope.Hash{7}, o.KeyCommit, open, func(x archive.Opening) error {
		body, err := seal.OpenSecret(seal.Secret(x.Secret), &c.messages[i].Entry)
		if err != nil || body.Text != []string{"one", "two", "three"}[i] || x.Entry != c.messages[i].Hash() {
			t.Errorf("opening %d: %v", i, err)
		}
		i++
		return err
	})
	if err != nil || i != 3 {
		t.Fatalf("%d openings: %v", i, err)
	}
}

// A crash between making and delivering gives the same openings again.
func TestExportCrash(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	c.export(c.schedule(nil))
	c.want(c.judge(), "")
	again := c.delivered[0]
	if err := writeFile(c.openingsPath(envelope.Hash{7}), envelope.Marshal(again)); err != nil {
		t.Fatal(err)
	}
	c.kill()
	c.want(c.judge(), "")
	if !bytes.Equal(c.delivered[1].Sealed, again.Sealed) || !bytes.Equal(c.delivered[1].Slip, again.Slip) {
		t.Fatal("other openings after a crash")
	}
	// Delivered, and the answer lost: they don't stay on the disk.
	if err := writeFile(c.openingsPath(envelope.Hash{7}), envelope.Marshal(again)); err != nil {
		t.Fatal(err)
	}
	c.exports = nil
	c.want(c.judge(), "")
	if _, err := os.Stat(c.openingsPath(envelope.Hash{7})); !errors.Is(err, os.ErrNotExist) {
		t.Fatal("delivered openings stay on the disk")
	}
}

func TestExportLeavesOutDisposed(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	c.submit(c.plan())
	c.want(c.judge(), "")
	c.export(c.schedule(nil))
	c.want(c.judge(), "")
	if o := c.delivered[0]; o.Count != 0 || o.Exceptions != 0 {
		t.Fatalf("openings of what is disposed of: %d", o.Count)
	}
}

func TestAttackExports(t *testing.T) {
	t.Parallel()
	other := envelope.ChannelID{9}
	cases := map[string]struct {
		prepare func(*court)
		want    Reason
	}{
		"one person": {func(c *court) {
			o := c.schedule(nil)
			o.Approvals = o.Approvals[:1]
			c.export(o)
		}, NotApproved},
		"one person twice": {func(c *court) {
			c.list(envelope.Party{Role: envelope.RoleLegal, Name: "cora too", User: c.cora.id})
			o := c.schedule(nil)
			o.Approvals = o.Approvals[:1]
			c.approve(&o, c.cora, actionScheduleAgree)
			c.export(o)
		}, NotApproved},
		"an unlisted auditor": {func(c *court) {
			spy := envelope.Party{Recipient: newParty(c.world.t).identity.Recipient()}
			c.export(c.schedule(func(s *envelope.ExportOrder) { s.Auditors = []envelope.KeyID{spy.ID()} }))
		}, AuditorUnlisted},
		"an auditor whose listing ended": {func(c *court) {
			auditor := envelope.Party{Recipient: c.auditor.Recipient()}
			c.export(c.schedule(nil))
			c.extendOrg(envelope.OrgDelist, &envelope.DelistBody{Role: envelope.RoleAuditor, Party: auditor.ID()})
		}, AuditorUnlisted},
		"an auditor outside its scope": {func(c *court) {
			narrow := envelope.Party{
				Role: envelope.RoleAuditor, Name: "narrow", Recipient: newParty(c.world.t).identity.Recipient(), Scope: []envelope.ChannelID{other},
			}
			c.list(narrow)
			c.export(c.schedule(func(s *envelope.ExportOrder) { s.Auditors = []envelope.KeyID{narrow.ID()} }))
		}, OutOfScope},
		"an auditor past its time": {func(c *court) {
			late := envelope.Party{
				Role: envelope.RoleAuditor, Name: "late", Recipient: newParty(c.world.t).identity.Recipient(), NotAfter: 1,
			}
			c.list(late)
			c.export(c.schedule(func(s *envelope.ExportOrder) { s.Auditors = []envelope.KeyID{late.ID()} }))
		}, AuditorUnlisted},
		"nobody to read it": {func(c *court) {
			c.export(c.schedule(func(s *envelope.ExportOrder) { s.Auditors = nil }))
		}, AuditorUnlisted},
		"wider than approved": {func(c *court) {
			c.export(c.schedule(func(s *envelope.ExportOrder) { s.Channels = []envelope.ChannelID{other} }))
		}, OutOfScope},
		"a channel of others": {func(c *court) {
			c.export(c.schedule(func(s *envelope.ExportOrder) { s.Channels = nil }))
			c.exports[0].Ranges = []Range{{Channel: other, From: 1, To: 1}}
		}, NotRecorder},
		"past its end": {func(c *court) {
			c.export(c.schedule(nil))
			c.world.now = c.world.now.Add(25 * time.Hour)
		}, Expired},
		"a channel twice": {func(c *court) {
			c.export(c.schedule(nil))
			c.exports[0].Ranges = append(c.exports[0].Ranges, c.exports[0].Ranges[0])
		}, OrderMalformed},
	}
	for name, a := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCourt(t)
			a.prepare(c)
			c.want(c.judge(), a.want)
			if len(c.delivered) != 0 {
				t.Fatal("delivered")
			}
		})
	}
}

func TestAttackExportChanges(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	c.export(c.schedule(nil))
	c.want(c.judge(), "")
	c.kill()
	c.export(c.schedule(func(s *envelope.ExportOrder) { s.Revision = 2 }))
	c.want(c.judge(), ExportChanged)
	c.export(c.schedule(nil))
	c.exports[0].Ranges[0].To--
	c.want(c.judge(), ExportChanged)
	if len(c.delivered) != 1 {
		t.Fatal("delivered again")
	}
}

func TestExportWaits(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	c.export(c.schedule(nil))
	c.exports[0].Ranges[0].To = c.channel.Position + 10
	c.want(c.judge(), "")
	if len(c.delivered) != 0 {
		t.Fatal("delivered what is not opened")
	}
}
