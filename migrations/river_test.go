package migrations_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// River leaves its first version, which makes the table of River's own migrator, to those who use that migrator.
const firstRiverVersion = 2

// Jobs are enqueued in the transaction of a change, so River works in the application's role.
const riverGrants = `
-- Jobs are enqueued in the transaction of a change: River works in the application's role.
GRANT SELECT, INSERT, UPDATE, DELETE ON river_job, river_leader, river_queue, river_notification TO chancery_app;
GRANT USAGE ON SEQUENCE river_job_id_seq, river_notification_id_seq TO chancery_app;
`

// TestRiver compares 0001_add_river.sql with the SQL of the River in go.mod; with -update it writes the file.
func TestRiver(t *testing.T) {
	t.Parallel()
	migrator, err := rivermigrate.New[pgx.Tx](riverpgxv5.New(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	text := riverSQL(migrator.AllVersions())
	if n := strings.Count(text, enumWithout); n != 1 {
		t.Fatalf("River's enum of job states is written otherwise than before: found %d times", n)
	}
	golden(t, "0001_add_river.sql", strings.Replace(text, enumWithout, enumWith, 1))
}

// River adds a state to its enum in version 4 and uses it in version 6. PostgreSQL before 17 refuses that within one
// transaction, so here the type has the state from its creation and version 4 finds it there.
const (
	enumWithout = "  'discarded',\n  'retryable',\n"
	enumWith    = "  'discarded',\n  'pending',\n  'retryable',\n"
)

// riverSQL is one goose statement, because goose would split River's function bodies at their semicolons.
func riverSQL(versions []rivermigrate.Migration) string {
	var b strings.Builder
	b.WriteString("-- River's tables (github.com/riverqueue/river, MPL-2.0), written by TestRiver.\n")
	b.WriteString("-- +goose Up\n-- +goose StatementBegin\n")
	for _, version := range versions {
		if version.Version < firstRiverVersion {
			continue
		}
		fmt.Fprintf(&b, "\n-- River %d: %s\n%s\n", version.Version, version.Name, trimLines(version.SQLUp))
	}
	b.WriteString(riverGrants + "-- +goose StatementEnd\n")
	return b.String()
}

// trimLines drops blanks at line ends and the marks where River would put a schema's name.
func trimLines(text string) string {
	text = strings.ReplaceAll(text, "/* TEMPLATE: schema */", "")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \t")
	}
	return strings.Join(lines, "\n")
}
