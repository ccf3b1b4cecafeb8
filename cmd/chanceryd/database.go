package main

import (
	"net/url"
	"strings"
)

// strictAuth keeps the server from logging in at a database of somebody else's
// by a password in the clear or under MD5, unless the URL itself has a rule. A
// false database could ask for either, and MD5 panics while FIPS 140-3 is
// enforced. SCRAM, certificates and peer pass.
func strictAuth(dsn string) string {
	const rule = "!password,!md5"
	if strings.Contains(dsn, "require_auth") {
		return dsn
	}
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		return dsn + " require_auth=" + rule
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return dsn // whoever opens it says what is wrong
	}
	q := u.Query()
	q.Set("require_auth", rule)
	u.RawQuery = q.Encode()
	return u.String()
}
