// Package store is all SQL: one file per noun, hand-written, on PostgreSQL.
//
// Invariant: whatever changes state takes a Grant that covers it and writes its
// record in the same transaction; each connection works in the narrowest of the
// database's roles.
//
// It must not know rules: it decides nothing but what must survive a race, and
// says so where it does.
package store
