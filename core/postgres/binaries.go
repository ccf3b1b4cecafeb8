package postgres

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// oldest is the oldest major version that the migrations and roles are written for.
const oldest = 15

// ErrNoBinaries means that no usable PostgreSQL was found on this machine.
var ErrNoBinaries = errors.New("no PostgreSQL binaries found: " +
	`run "apt-get install postgresql-15" (or your system's package), or name their directory with --db-bin`)

// install is one PostgreSQL on this machine.
type install struct {
	dir   string // where postgres and initdb are
	major int
}

func (i install) path(name string) string { return filepath.Join(i.dir, name) }

// findInstalls lists what is installed: only override when it is given.
func findInstalls(override string) ([]install, error) {
	if override != "" {
		found, err := inspect(override)
		if err != nil {
			return nil, fmt.Errorf("looking for PostgreSQL in %s: %w", override, err)
		}
		return []install{found}, nil
	}
	var found []install
	for _, dir := range candidateDirs() {
		if i, err := inspect(dir); err == nil {
			found = append(found, i)
		}
	}
	return found, nil
}

// candidateDirs are the directories of the usual packages, then that of the postgres on PATH with links
// resolved: some systems link only a few of the programs there.
func candidateDirs() []string {
	var dirs []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin"} {
		matches, _ := filepath.Glob(pattern) // the patterns are constant and well formed
		dirs = append(dirs, matches...)
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	return dirs
}

// inspect asks the binary for its version, since a directory's name may say anything.
func inspect(dir string) (install, error) {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return install{}, err
	}
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return install{}, err
	}
	major, err := parseMajor(string(out))
	return install{dir: dir, major: major}, err
}

var versionText = regexp.MustCompile(`^postgres \(PostgreSQL\) (\d+)`)

// parseMajor reads the major version out of "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)".
func parseMajor(version string) (int, error) {
	m := versionText.FindStringSubmatch(version)
	if m == nil {
		return 0, fmt.Errorf("unknown version %q", strings.TrimSpace(version))
	}
	return strconv.Atoi(m[1])
}

// pick chooses the newest install, or the one of the pinned major (0: none). A data directory can only be read
// by the major that wrote it, and making a new one over it would destroy it: so a mismatch is refused.
func pick(found []install, pinned int) (install, error) {
	var best install
	for _, i := range found {
		if i.major > best.major && (pinned == 0 || i.major == pinned) {
			best = i
		}
	}
	switch {
	case best.major >= oldest:
		return best, nil
	case pinned != 0 && len(found) > 0:
		return install{}, fmt.Errorf("the data was written by PostgreSQL %d and its binaries are not here: "+
			`run "apt-get install postgresql-%d", or name their directory with --db-bin`, pinned, pinned)
	case len(found) > 0:
		return install{}, fmt.Errorf("PostgreSQL %d or newer is needed, found %d", oldest, best.major)
	}
	return install{}, ErrNoBinaries
}

// pinnedMajor reads PG_VERSION of a data directory; 0 when there is none yet.
func pinnedMajor(data string) (int, error) {
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("reading PG_VERSION: %w", err)
	}
	return major, nil
}
