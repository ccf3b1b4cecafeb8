// Package migrations owns the shape of the database: its tables, its roles and the order in which they came.
//
// The files NNNN_verb_noun.sql go forward only, each in one transaction, and are never edited after a release: the
// binary of the release before must run on the new schema. They run as the role chancery_owner, so that the
// server's own login owns none of the tables. roles.sql runs before them at every start and may run any number of
// times. schema.golden.sql is what all of them add up to; `make golden` rewrites it, and its diff is the review.
//
// 0001_add_river.sql is River's own SQL, so that one tool moves the schema and no module but core/job needs River.
// TestRiver builds it from the River that go.mod names and compares. When a new River brings new SQL, a released
// file stays as it is: add the new versions as the next migration and extend that test.
//
// The package knows nothing of the queries; see core/store.
package migrations
