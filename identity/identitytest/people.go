package identitytest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Admin returns an encrypted connection bound as the directory's
// administrator, for changes that have no method here. The caller closes it.
func (d *Directory) Admin() (*ldap.Conn, error) {
	conn, err := d.dial()
	if err != nil {
		return nil, fmt.Errorf("connecting as administrator: %w", err)
	}
	conn.SetTimeout(10 * time.Second)
	if err := conn.Bind(d.adminDN, d.adminPW); err != nil {
		conn.Close()
		return nil, fmt.Errorf("binding as administrator: %w", err)
	}
	return conn, nil
}

func (d *Directory) dial() (*ldap.Conn, error) {
	dialer := ldap.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second})
	if d.plain {
		return ldap.DialURL(d.StartTLS, dialer)
	}
	pem, err := os.ReadFile(d.CAFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	// Whatever names a test gave the certificate, we know whom we dialled:
	// the chain is still checked, against an authority with one certificate.
	cfg := &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error {
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots})
		return err
	}}
	return ldap.DialURL(d.LDAPS, dialer, ldap.DialWithTLSConfig(cfg))
}

// Disable closes the account of uid as a directory administrator would: a
// password policy lock without end.
func (d *Directory) Disable(uid string) error {
	return d.SetAttribute(uid, "pwdAccountLockedTime", "000001010000Z")
}

// Enable undoes Disable.
func (d *Directory) Enable(uid string) error {
	return d.SetAttribute(uid, "pwdAccountLockedTime")
}

// SetPassword changes the password of uid by the password modify operation.
func (d *Directory) SetPassword(uid, password string) error {
	return d.change(uid, "setting password", func(c *ldap.Conn, dn string) error {
		_, err := c.PasswordModify(ldap.NewPasswordModifyRequest(dn, "", password))
		return err
	})
}

// SetAttribute replaces the values of one attribute of uid; no values removes it.
func (d *Directory) SetAttribute(uid, attr string, values ...string) error {
	return d.change(uid, "setting "+attr, func(c *ldap.Conn, dn string) error {
		req := ldap.NewModifyRequest(dn, nil)
		req.Replace(attr, values)
		return c.Modify(req)
	})
}

// Rename gives the entry of uid another uid (modrdn); the entry stays the same one.
func (d *Directory) Rename(uid, newUID string) error {
	return d.change(uid, "renaming", func(c *ldap.Conn, dn string) error {
		return c.ModifyDN(ldap.NewModifyDNRequest(dn, "uid="+ldap.EscapeDN(newUID), true, ""))
	})
}

// Move puts the entry of uid into another unit, made when missing.
func (d *Directory) Move(uid, unit string) error {
	return d.change(uid, "moving", func(c *ldap.Conn, dn string) error {
		if err := d.addUnit(c, unit); err != nil {
			return err
		}
		return c.ModifyDN(ldap.NewModifyDNRequest(dn, "uid="+ldap.EscapeDN(uid), true, d.unitDN(unit)))
	})
}

// Remove deletes the entry of uid.
func (d *Directory) Remove(uid string) error {
	return d.change(uid, "removing", func(c *ldap.Conn, dn string) error {
		return c.Del(ldap.NewDelRequest(dn, nil))
	})
}

// change finds the one entry of uid and hands it to edit.
func (d *Directory) change(uid, doing string, edit func(c *ldap.Conn, dn string) error) error {
	conn, err := d.Admin()
	if err != nil {
		return err
	}
	defer conn.Close()
	res, err := conn.Search(ldap.NewSearchRequest(d.BaseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases,
		2, 0, false, "(uid="+ldap.EscapeFilter(uid)+")", []string{"1.1"}, nil))
	if err != nil {
		return fmt.Errorf("%s of %s: %w", doing, uid, err)
	}
	if len(res.Entries) != 1 {
		return fmt.Errorf("%s of %s: %d entries", doing, uid, len(res.Entries))
	}
	if err := edit(conn, res.Entries[0].DN); err != nil {
		return fmt.Errorf("%s of %s: %w", doing, uid, err)
	}
	return nil
}

func (d *Directory) seed(ctx context.Context, cfg Config) error {
	conn, err := d.Admin()
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := d.addFrame(conn); err != nil {
		return err
	}
	members := map[string][]string{}
	for _, g := range cfg.Groups {
		members[g] = nil
	}
	for _, p := range cfg.People {
		if err := ctx.Err(); err != nil {
			return err
		}
		dn, err := d.addPerson(conn, p)
		if err != nil {
			return fmt.Errorf("adding %s: %w", p.UID, err)
		}
		for _, g := range p.Groups {
			members[g] = append(members[g], dn)
		}
	}
	return d.addGroups(conn, members)
}

// addFrame adds what is there before any person: the base, the units, the
// password policy and the service account.
func (d *Directory) addFrame(conn *ldap.Conn) error {
	if err := add(conn, d.BaseDN, map[string][]string{"objectClass": {"domain"}}); err != nil {
		return err
	}
	for _, unit := range []string{"people", "groups", "services", "policies"} {
		if err := d.addUnit(conn, unit); err != nil {
			return err
		}
	}
	err := add(conn, "cn=default,"+d.unitDN("policies"), map[string][]string{
		"objectClass": {"device", "pwdPolicy"}, "pwdAttribute": {"userPassword"}, "pwdLockout": {"TRUE"},
	})
	if err != nil {
		return err
	}
	return add(conn, d.BindDN, map[string][]string{
		"objectClass": {"organizationalRole", "simpleSecurityObject"}, "userPassword": {d.BindPassword},
	})
}

func (d *Directory) addUnit(conn *ldap.Conn, unit string) error {
	err := add(conn, d.unitDN(unit), map[string][]string{"objectClass": {"organizationalUnit"}})
	if ldap.IsErrorWithCode(err, ldap.LDAPResultEntryAlreadyExists) {
		return nil
	}
	return err
}

func (d *Directory) unitDN(unit string) string { return "ou=" + ldap.EscapeDN(unit) + "," + d.BaseDN }

func (d *Directory) addPerson(conn *ldap.Conn, p Person) (dn string, err error) {
	unit := p.Unit
	if unit == "" {
		unit = "people"
	}
	if err := d.addUnit(conn, unit); err != nil {
		return "", err
	}
	attrs := map[string][]string{
		"objectClass": {"inetOrgPerson", "shadowAccount"}, "cn": {p.Name}, "sn": {p.Name},
	}
	if p.Mail != "" {
		attrs["mail"] = []string{p.Mail}
	}
	if p.Password != "" {
		attrs["userPassword"] = []string{p.Password}
	}
	dn = "uid=" + ldap.EscapeDN(p.UID) + "," + d.unitDN(unit)
	attrs["uid"] = []string{p.UID}
	return dn, add(conn, dn, attrs)
}

func (d *Directory) addGroups(conn *ldap.Conn, members map[string][]string) error {
	for name, dns := range members {
		if len(dns) == 0 {
			dns = []string{d.BindDN} // a groupOfNames can't be empty
		}
		err := add(conn, "cn="+ldap.EscapeDN(name)+","+d.unitDN("groups"), map[string][]string{
			"objectClass": {"groupOfNames"}, "cn": {name}, "member": slices.Compact(dns),
		})
		if err != nil {
			return fmt.Errorf("adding group %s: %w", name, err)
		}
	}
	return nil
}

func add(conn *ldap.Conn, dn string, attrs map[string][]string) error {
	req := ldap.NewAddRequest(dn, nil)
	for name, values := range attrs {
		req.Attribute(name, values)
	}
	return conn.Add(req)
}
