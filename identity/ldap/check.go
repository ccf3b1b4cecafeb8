package ldap

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-ldap/ldap/v3"
)

// Check is one line of a connection test. Detail says what failed and what to
// look at; it holds no password.
type Check struct {
	Step   string // "dial", "tls", "bind", "base", "sample"
	Target string // server URL or DN
	OK     bool
	Detail string
}

var advice = map[step]string{
	stepDial: "is the address right, the server up, the port open?",
	stepTLS:  "does the CA file hold the issuer, does the certificate carry this host name, does the server offer TLS?",
	stepBind: "are the bind DN and its password right?",
}

// Test tries every server and then the searches, and explains what failed.
func (c *Connector) Test(ctx context.Context) []Check {
	var checks []Check
	reachable := false
	for _, srv := range c.cfg.servers {
		found, ok := c.testServer(ctx, srv)
		checks = append(checks, found...)
		reachable = reachable || ok
	}
	if !reachable {
		return checks
	}
	base := c.testBase(ctx)
	checks = append(checks, base)
	if base.OK {
		checks = append(checks, c.testSample(ctx))
	}
	return checks
}

func (c *Connector) testServer(ctx context.Context, srv server) (checks []Check, ok bool) {
	l, err := c.cfg.connectBound(ctx, srv)
	if err == nil {
		l.close()
	}
	var failed *stepError
	errors.As(err, &failed)
	for _, s := range []step{stepDial, stepTLS, stepBind} {
		if failed != nil && failed.step == s {
			detail := describe(failed.err) + ": " + advice[s]
			return append(checks, Check{Step: string(s), Target: srv.url, Detail: detail}), false
		}
		checks = append(checks, Check{Step: string(s), Target: srv.url, OK: true})
	}
	return checks, true
}

func (c *Connector) testBase(ctx context.Context) Check {
	check := Check{Step: "base", Target: c.cfg.BaseDN}
	entries, err := c.search(ctx, c.request(c.cfg.BaseDN, ldap.ScopeBaseObject, 1, "(objectClass=*)", []string{"1.1"}))
	switch {
	case err != nil:
		check.Detail = describe(err) + ": does the base exist, may the bind DN read it?"
	case len(entries) != 1:
		check.Detail = "the base can't be read: may the bind DN read it?"
	default:
		check.OK = true
	}
	return check
}

func (c *Connector) testSample(ctx context.Context) Check {
	check := Check{Step: "sample", Target: c.cfg.UserFilter}
	entries, err := c.search(ctx, c.request(c.cfg.BaseDN, ldap.ScopeWholeSubtree, 1, c.cfg.UserFilter, c.wanted))
	// One of many is all we want, so a reached limit is no failure here.
	limited := ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) || errors.Is(err, ldap.ErrSizeLimitExceeded)
	if err != nil && !limited {
		check.Detail = describe(err) + ": searching the user filter"
		return check
	}
	if len(entries) == 0 {
		check.Detail = "nobody matches: is the user filter right, may the bind DN read people?"
		return check
	}
	if _, err := subjectOf(entries[0], c.cfg.Subject); err != nil {
		check.Detail = fmt.Sprintf("%s: %v: may the bind DN read %s?", entries[0].DN, err, c.cfg.Subject)
		return check
	}
	check.OK, check.Detail = true, "found "+entries[0].DN
	return check
}
