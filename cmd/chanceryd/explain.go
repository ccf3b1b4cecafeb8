package main

import (
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/spf13/cobra"
)

func configCmd(o *options) *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Show the configuration", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(&cobra.Command{
		Use: "explain", Short: "Show every setting, where it comes from and what it does", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			conf, from, err := o.load()
			if err != nil {
				return err
			}
			return explain(c.OutOrStdout(), &conf, from)
		},
	})
	return c
}

func explain(w io.Writer, c *config, from map[string]string) error {
	return eachSetting(c, func(key, doc string, v reflect.Value) error {
		source := from[key]
		if source == "" {
			source = "default"
		}
		_, err := fmt.Fprintf(w, "%s: %s\n    %s\n    from %s\n", key, show(v), doc, source)
		return err
	})
}

// show leaves out what is inside directories: it is long, and in the file.
func show(v reflect.Value) string {
	switch v.Interface().(type) {
	case []ldapConfig:
		return fmt.Sprintf("%d configured", v.Len())
	}
	return fmt.Sprint(v.Interface())
}

// template is a configuration file with every key, its meaning and its value.
func template(c *config) string {
	var b strings.Builder
	b.WriteString("# Configuration of chanceryd. Unknown keys are refused. CHANCERY_<KEY> in the environment\n" +
		"# and flags come before this file; \"chanceryd config explain\" shows what is in force.\n")
	group := ""
	_ = eachSetting(c, func(key, doc string, v reflect.Value) error {
		indent := ""
		if parent, name, nested := strings.Cut(key, "."); nested {
			if parent != group {
				fmt.Fprintf(&b, "\n%s:\n", parent)
			}
			group, key, indent = parent, name, "  "
		} else {
			group = ""
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s# %s\n%s%s: %s\n", indent, doc, indent, key, yamlValue(v))
		return nil
	})
	b.WriteString(ldapExample)
	return b.String()
}

func yamlValue(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case string:
		return fmt.Sprintf("%q", x)
	case []string:
		quoted := make([]string, len(x))
		for i, s := range x {
			quoted[i] = fmt.Sprintf("%q", s)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case map[string]string:
		return "{}"
	case []ldapConfig:
		return "[]"
	}
	return fmt.Sprint(v.Interface())
}

const ldapExample = `
# A directory, for the list ldap above:
# ldap:
#   - name: corp
#     servers: ["ldaps://ldap.example.org"]
#     ca: /etc/chancery/ldap-ca.pem
#     bind_dn: cn=reader,ou=services,dc=example,dc=org
#     bind_password_file: /etc/chancery/ldap.password
#     base_dn: dc=example,dc=org
#     groups: memberOf
# roles:
#   chat-admins: admin
`
