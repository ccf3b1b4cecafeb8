// Package ldap signs people in against an LDAP directory and reads who they
// are: search with a service account, then one bind as the person.
//
// It keeps these invariants. Nothing is sent before TLS with a verified host
// name. A password that some servers take as "no password" never reaches the
// wire. A connection that carried a person's bind is never used again. Exactly
// one entry counts, inside the configured base; partial results and referrals
// never decide anything. Every call ends within its time limit, whatever the
// server does.
//
// It must not know users, sessions or policy: it returns claims.
package ldap
