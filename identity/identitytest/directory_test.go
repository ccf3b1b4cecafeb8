package identitytest

import (
	"testing"

	"github.com/go-ldap/ldap/v3"
)

func TestDirectoryLifeCycle(t *testing.T) {
	t.Parallel()
	d, err := StartDirectory(t.Context(), Config{
		People: []Person{{UID: "alice", Name: "Alice Ames", Password: "alice-password", Groups: []string{"legal"}}},
		Groups: []string{"empty"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	}()
	if err := d.SetPassword("alice", "changed"); err != nil {
		t.Fatal(err)
	}
	if err := d.Down(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Admin(); err == nil {
		t.Fatal("a directory that is down answers")
	}
	if err := d.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := d.Admin()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Bind("uid=alice,ou=people,"+d.BaseDN, "changed"); err != nil {
		t.Fatalf("binding with the changed password after a restart: %v", err)
	}
	if err := d.Disable("alice"); err != nil {
		t.Fatal(err)
	}
	err = conn.Bind("uid=alice,ou=people,"+d.BaseDN, "changed")
	if !ldap.IsErrorWithCode(err, ldap.LDAPResultInvalidCredentials) {
		t.Fatalf("binding to a disabled account: %v", err)
	}
}

// A frozen directory accepts connections and answers none.
func TestFreeze(t *testing.T) {
	t.Parallel()
	d, err := StartDirectory(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := d.Freeze(); err != nil {
		t.Fatal(err)
	}
	if !frozen(d.child.cmd.Process.Pid) {
		t.Error("it is not frozen")
	}
	if err := d.Thaw(); err != nil {
		t.Fatal(err)
	}
	if err := d.ready(t.Context()); err != nil {
		t.Error(err)
	}
}
