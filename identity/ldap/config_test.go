package ldap

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConfigSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	right := Config{
		Name: "corp", Servers: []string{"ldaps://dc1.example.test", "ldap://dc2.example.test:3389"}, StartTLS: true,
		BindDN: "cn=svc,dc=example,dc=test", BindPassword: "x", BaseDN: "dc=example,dc=test",
	}
	if err := right.Validate(); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Name = "" }, "name: is empty"},
		{func(c *Config) { c.Servers = nil }, "servers: none given"},
		{func(c *Config) { c.StartTLS = false }, "plaintext, which is refused"},
		{func(c *Config) { c.Servers = []string{"ldapi:///run/slapd"} }, "use ldaps:// or ldap://"},
		{func(c *Config) { c.Servers = []string{"ldaps://u:p@host"} }, "nothing else"},
		{func(c *Config) { c.Servers = []string{"ldaps://host/dc=x?uid"} }, "nothing else"},
		{func(c *Config) { c.Servers = []string{"ldaps://"} }, "want a host"},
		{func(c *Config) { c.CAFile = "/nonexistent/ca.pem" }, "CA file: open /nonexistent/ca.pem"},
		{func(c *Config) { c.CAFile = empty }, "no certificate in"},
		{func(c *Config) { c.BindDN = "" }, "bind DN: is empty"},
		{func(c *Config) { c.BindPassword = "" }, "bind password: password is empty"},
		{func(c *Config) { c.BaseDN = "example.test" }, `base DN: "example.test"`},
		{func(c *Config) { c.UserFilter = "(uid=*" }, `user filter: "(uid=*"`},
		{func(c *Config) { c.GroupFilter = "x" }, `group filter: "x"`},
		{func(c *Config) { c.LoginAttributes = []string{"uid=*)(x"} }, "is not an attribute name"},
		{func(c *Config) { c.Subject = "mail" }, `subject: "mail" is not an LDAP identifier`},
		{func(c *Config) { c.Groups = "all" }, `groups: "all"`},
		{func(c *Config) { c.PoolSize = -1 }, "limits: negative"},
	}
	for _, test := range tests {
		cfg := right
		test.change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
	all := (Config{}).Validate().Error()
	for _, field := range []string{"name", "servers", "bind DN", "bind password", "base DN"} {
		if !strings.Contains(all, "ldap config: "+field+": ") {
			t.Errorf("%s is missing in:\n%s", field, all)
		}
	}
	// A password given in a URL must not come back in the error.
	cfg := right
	cfg.Servers = []string{"ldaps://u:hunter2@host"}
	if strings.Contains(cfg.Validate().Error(), "hunter2") {
		t.Error("the error quotes a password")
	}
}
