// Package postgrestest gives every test a migrated database of its own on a real PostgreSQL.
//
// It owns one private cluster per test process, started when the first test asks, and in it one migrated template
// that each database is copied from. Only tests import it; it knows nothing of what the tables hold.
package postgrestest
