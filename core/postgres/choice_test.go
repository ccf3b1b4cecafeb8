package postgres

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

func TestChooseAccount(t *testing.T) {
	t.Parallel()
	root := &user.User{Username: "root", Uid: "0", Gid: "0"}
	alice := &user.User{Username: "alice", Uid: "1000", Gid: "1000"}
	chancery := &user.User{Username: "chancery", Uid: "990", Gid: "990"}
	postgres := &user.User{Username: "postgres", Uid: "101", Gid: "104"}
	for _, test := range []struct {
		name  string
		asked string
		own   *user.User
		known []*user.User
		want  string // account, "" when refused
		drop  bool
	}{
		{"own account", "", alice, nil, "alice", false},
		{"own account by name", "alice", alice, nil, "alice", false},
		{"another account without root", "bob", alice, []*user.User{{Username: "bob", Uid: "7", Gid: "7"}}, "", false},
		{"root prefers chancery", "", root, []*user.User{postgres, chancery}, "chancery", true},
		{"root falls back to postgres", "", root, []*user.User{postgres}, "postgres", true},
		{"root takes the one asked for", "alice", root, []*user.User{postgres, alice}, "alice", true},
		{"root asks for one that is missing", "bob", root, []*user.User{postgres}, "", false},
		{"root asks for root", "root", root, []*user.User{root, postgres}, "", false},
		{"root without any", "", root, nil, "", false},
	} {
		lookup := func(name string) (*user.User, error) {
			for _, u := range test.known {
				if u.Username == name {
					return u, nil
				}
			}
			return nil, user.UnknownUserError(name)
		}
		got, err := chooseAccount(test.asked, test.own, lookup)
		if (err != nil) != (test.want == "") || got.name != test.want || got.drop != test.drop {
			t.Errorf("%s: got %+v, %v; want %q, drop %v", test.name, got, err, test.want, test.drop)
		}
	}
	_, err := chooseAccount("", root, func(string) (*user.User, error) { return nil, errors.New("none") })
	if !errors.Is(err, ErrNoAccount) || !strings.Contains(err.Error(), "useradd") {
		t.Errorf("the refusal does not say what to do: %v", err)
	}
}

func TestPick(t *testing.T) {
	t.Parallel()
	nine, fifteen, eighteen := install{"/9", 9}, install{"/15", 15}, install{"/18", 18}
	for _, test := range []struct {
		name   string
		found  []install
		pinned int
		want   install
		refuse string
	}{
		{"newest by number, not by text", []install{nine, eighteen, fifteen}, 0, eighteen, ""},
		{"the pinned one though a newer is there", []install{eighteen, fifteen}, 15, fifteen, ""},
		{"pinned one gone", []install{eighteen}, 15, install{}, "written by PostgreSQL 15"},
		{"too old", []install{nine}, 0, install{}, "15 or newer"},
		{"none", nil, 0, install{}, "apt-get install"},
		{"none, but data", nil, 15, install{}, "apt-get install"},
	} {
		got, err := pick(test.found, test.pinned)
		if test.refuse == "" && err != nil || test.refuse != "" && (err == nil || !strings.Contains(err.Error(), test.refuse)) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.refuse)
		}
		if got != test.want {
			t.Errorf("%s: got %+v, want %+v", test.name, got, test.want)
		}
	}
}

func TestParseMajor(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n": 15,
		"postgres (PostgreSQL) 18beta1\n":                        18,
		"mysqld 8.0":                                             0,
		"":                                                       0,
	} {
		if got, err := parseMajor(text); got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: got %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestMissingBinaries(t *testing.T) {
	t.Parallel()
	c := config(stateDir(t))
	c.BinDir = t.TempDir()
	if _, err := Start(t.Context(), c); err == nil || !strings.Contains(err.Error(), c.BinDir) {
		t.Errorf("start without binaries: %v", err)
	}
}

func TestUnreachableDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	stranger := account{name: "stranger", uid: 65533, gid: 65533}
	if err := stranger.reaches(closed); err == nil || !strings.Contains(err.Error(), "chmod o+x") {
		t.Errorf("a closed directory is said to be reachable: %v", err)
	}
	if err := stranger.reaches("/usr/bin"); err != nil {
		t.Error(err)
	}
}

func TestSettingsQuote(t *testing.T) {
	t.Parallel()
	text := settings("/it's/conf", "/it's/run", false)
	if !strings.Contains(text, "unix_socket_directories = '/it''s/run'") {
		t.Errorf("a quote in a path is not doubled:\n%s", text)
	}
	if strings.Contains(text, "fsync") {
		t.Error("a lasting cluster must keep fsync on")
	}
}
