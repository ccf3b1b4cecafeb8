package postgres

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	loginRole = "chancery" // owns the product's database; may make roles and databases, is no superuser
	superuser = "postgres" // made by initdb, for backup and inspection
)

// One line: both kinds of user that the ident map names, over the socket, checked by the kernel.
const hba = "local all,replication all peer map=own\n"

// identMap lets each system user connect as the login role and the superuser, and nobody as anything else.
func identMap(systemUsers ...string) string {
	var b strings.Builder
	seen := map[string]bool{}
	for _, name := range systemUsers {
		if seen[name] {
			continue
		}
		seen[name] = true
		fmt.Fprintf(&b, "own %q %s\nown %q %s\n", name, loginRole, name, superuser)
	}
	return b.String()
}

// settings is the whole postgresql.conf. Error reports leave out statements, parameters and row values, because
// the log is read by people who may not read the data.
func settings(confDir, socketDir string, ephemeral bool) string {
	lines := []string{
		"hba_file = " + quote(filepath.Join(confDir, "pg_hba.conf")),
		"ident_file = " + quote(filepath.Join(confDir, "pg_ident.conf")),
		"listen_addresses = ''",
		"unix_socket_directories = " + quote(socketDir),
		"unix_socket_permissions = 0700",
		"max_connections = 200",
		"shared_buffers = 256MB",
		"max_wal_size = 4GB",
		"checkpoint_timeout = 15min",
		"timezone = 'UTC'",
		"log_timezone = 'UTC'",
		"log_destination = 'stderr'",
		"logging_collector = off",
		"log_line_prefix = ''",
		"log_error_verbosity = terse",
		"log_min_error_statement = panic",
		"log_parameter_max_length = 0",
		"log_parameter_max_length_on_error = 0",
	}
	if ephemeral {
		lines = append(lines, "fsync = off", "synchronous_commit = off", "full_page_writes = off")
	}
	return strings.Join(lines, "\n") + "\n"
}

// quote writes a value of postgresql.conf.
func quote(value string) string {
	return "'" + strings.ReplaceAll(value, "'", "''") + "'"
}

// writeConf writes the three files into a directory of the server's, which the account can only read: whoever
// takes over the cluster still can't decide who may connect.
func writeConf(dir, socketDir string, ephemeral bool, systemUsers ...string) error {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return err
	}
	files := map[string]string{
		"postgresql.conf": settings(dir, socketDir, ephemeral),
		"pg_hba.conf":     hba,
		"pg_ident.conf":   identMap(systemUsers...),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
