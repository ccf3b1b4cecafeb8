package main

import (
	"bytes"
	"slices"
	"testing"

	"chancery/compliance/archive"
	"chancery/compliance/archive/archivetest"
	"chancery/compliance/disposal"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/sign"
	"chancery/crypto/sign/signer"
	"chancery/crypto/suitetest"
)

// court is an organisation in which something may be disposed of.
type court struct {
	*archivetest.World
	olga, leo, eve *archivetest.Person // for compliance, for legal, for nothing
	desk           *archivetest.Channel
	gone           *envelope.Placed
}

func newCourt(t *testing.T) *court {
	t.Helper()
	w := archivetest.New(t)
	c := &court{World: w, olga: w.AddPerson("olga"), leo: w.AddPerson("leo"), eve: w.AddPerson("eve")}
	w.ListPerson(c.olga, envelope.RoleCompliance)
	w.ListPerson(c.leo, envelope.RoleLegal)
	c.desk = w.AddChannel(c.eve, envelope.CaptureRequired)
	c.gone = c.desk.Post(c.eve, "to go")
	return c
}

// request is what an honest server asks, but for what the test changes.
func (c *court) request(t *testing.T, edit func(*archive.Disposal)) signer.Certificate {
	t.Helper()
	return c.certificate(t, c.desk.Disposal(c.gone, c.olga, c.leo, nil, edit))
}

func TestCertificateIsSignedOnce(t *testing.T) {
	t.Parallel()
	k := newCourt(t)
	c, stop := start(t, newState(t))
	defer stop()
	cert := k.request(t, nil)
	raw, err := c.SignCertificate(t.Context(), cert)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := c.Public(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if doc, err := sign.VerifyDSSE(raw, pub); err != nil || !bytes.Contains(doc.Payload, []byte(signer.DisposalPredicate)) {
		t.Fatal(err)
	}
	if again, err := c.SignCertificate(t.Context(), cert); err != nil || !bytes.Equal(again, raw) {
		t.Fatalf("the same request: %v", err)
	}
	d, err := disposal.Parse(cert.Body)
	if err != nil {
		t.Fatal(err)
	}
	d.Backup = "other words"
	if _, err := c.SignCertificate(t.Context(), k.certificate(t, d)); signer.CodeOf(err) != signer.Forked {
		t.Fatalf("another certificate about the same plan: %v", err)
	}
}

// A server that has everything but people's devices and recorders' keys gets no
// certificate.
func TestAttackSignerCertifiesNothingUnshown(t *testing.T) {
	t.Parallel()
	k := newCourt(t)
	c, stop := start(t, newState(t))
	defer stop()
	other := newCourt(t)
	side := k.AddChannel(k.eve, envelope.CaptureOff)
	both := k.AddPerson("both")
	k.ListPerson(both, envelope.RoleCompliance)
	k.ListPerson(both, envelope.RoleLegal)
	for name, ask := range map[string]func() signer.Certificate{
		"one person": func() signer.Certificate {
			return k.request(t, func(d *archive.Disposal) { d.Approvals = d.Approvals[:1] })
		},
		"nobody": func() signer.Certificate { return k.request(t, func(d *archive.Disposal) { d.Approvals = [][]byte{} }) },
		"one person in both roles": func() signer.Certificate {
			return k.certificate(t, k.desk.Disposal(k.gone, both, both, nil, nil))
		},
		"another organisation's plan": func() signer.Certificate {
			cert := other.request(t, nil)
			cert.Org = signer.Digest(k.Org().ID())
			return cert
		},
		"a stranger to the office": func() signer.Certificate {
			return k.certificate(t, k.desk.Disposal(k.gone, k.olga, k.eve, nil, nil))
		},
		"approvals of another plan": func() signer.Certificate {
			first := k.desk.Disposal(k.gone, k.olga, k.leo, nil, nil)
			d := k.desk.Disposal(k.gone, k.olga, k.leo, func(p *envelope.DisposalPlan) { p.Blocked = 7 }, nil)
			d.Approvals = first.Approvals
			return k.certificate(t, d)
		},
		"a device that is not in the chain": func() signer.Certificate {
			d := k.desk.Disposal(k.gone, k.olga, k.leo, nil, nil)
			d.Approvals[1] = k.forged(t, d.Order)
			return k.certificate(t, d)
		},
		"no recorder": func() signer.Certificate {
			return k.request(t, func(d *archive.Disposal) { d.Confirmations = [][]byte{} })
		},
		"a recorder of another organisation": func() signer.Certificate {
			d := other.desk.Disposal(other.gone, other.olga, other.leo, nil, nil)
			return k.request(t, func(mine *archive.Disposal) { mine.Confirmations = d.Confirmations })
		},
		"more destroyed than planned": func() signer.Certificate {
			return k.request(t, func(d *archive.Disposal) { d.Destroyed = 2 })
		},
		"channel without its recorders": func() signer.Certificate {
			cert := k.request(t, func(d *archive.Disposal) { d.Confirmations = [][]byte{} })
			cert.Evidence = k.Evidence(side)
			return cert
		},
		"another subject": func() signer.Certificate {
			cert := k.request(t, nil)
			cert.Subject[0] ^= 1
			return cert
		},
		"no evidence": func() signer.Certificate {
			cert := k.request(t, nil)
			cert.Evidence = signer.Evidence{}
			return cert
		},
		"a chain cut short": func() signer.Certificate {
			cert := k.request(t, nil)
			cert.Evidence.Org = cert.Evidence.Org[:4]
			return cert
		},
		"a chain with a link left out": func() signer.Certificate {
			cert := k.request(t, nil)
			cert.Evidence.Org = slices.Delete(slices.Clone(cert.Evidence.Org), 1, 2)
			return cert
		},
		"another organisation's chain": func() signer.Certificate {
			cert := k.request(t, nil)
			cert.Evidence = other.Evidence(other.desk)
			return cert
		},
		"body with more in it": func() signer.Certificate {
			cert := k.request(t, nil)
			cert.Body = bytes.Replace(cert.Body, []byte(`{`), []byte(`{"a":1,`), 1)
			return cert
		},
	} {
		if _, err := c.SignCertificate(t.Context(), ask()); signer.CodeOf(err) != signer.Unproven {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.SignCertificate(t.Context(), k.request(t, nil)); err != nil {
		t.Errorf("the honest request after all that: %v", err)
	}
	if _, err := c.SignCertificate(t.Context(), other.request(t, nil)); signer.CodeOf(err) != signer.Foreign {
		t.Errorf("an honest request of another organisation: %v", err)
	}
}

func (c *court) certificate(t *testing.T, d *archive.Disposal) signer.Certificate {
	t.Helper()
	cert, err := archive.NewCertificate(c.Org().ID(), d)
	if err != nil {
		t.Fatal(err)
	}
	cert.Evidence = c.Evidence(c.desk)
	return *cert
}

// forged is an approval by leo, by a device that only the server has heard of.
func (c *court) forged(t *testing.T, order []byte) []byte {
	t.Helper()
	key := archivetest.Key(t)
	b, err := seal.SignStatement(envelope.LabelApproval, &envelope.Approval{
		Version: 1, Org: c.Org().ID(), Action: "retention.approve", Object: envelope.OrderHash(order), User: c.leo.Chain.ID(), Device: key.ID(), Time: c.Now,
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The signer signs for one organisation: the one that init named, or the first.
func TestAttackSignerServesOneOrganisation(t *testing.T) {
	t.Parallel()
	k := newCourt(t)
	dir := t.TempDir() + "/state"
	if _, err := initState(dir, "test", suitetest.Suite(), k.Org().ID().String()); err != nil {
		t.Fatal(err)
	}
	c, stop := start(t, dir)
	defer stop()
	_, five := tree(5) // of another organisation
	if _, err := c.SignCheckpoint(t.Context(), five, nil); signer.CodeOf(err) != signer.Foreign {
		t.Errorf("another organisation's log: %v", err)
	}
	if _, err := c.SignArchive(t.Context(), testArchive(1, 0, 1)); signer.CodeOf(err) != signer.Foreign {
		t.Errorf("another organisation's archive: %v", err)
	}
	five.Origin = "chancery/" + k.Org().ID().String() + "/log"
	if _, err := c.SignCheckpoint(t.Context(), five, nil); err != nil {
		t.Error(err)
	}
}
