// Package identitytest runs identity providers for tests and for
// chancery-dev: a real OpenLDAP server with its own certificate authority,
// seeded from Go values, and a hostile server that breaks the protocol.
//
// Nothing here is imitated: [Directory] is slapd, and people are changed in it
// over LDAP as an administrator would change them.
//
// Everything listens on loopback and ends with its owner: slapd is a child in
// the foreground that dies with this process. The package must not know our
// connectors, so that both sides of a test are written apart.
package identitytest
