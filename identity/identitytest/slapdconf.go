package identitytest

import (
	"bytes"
	"text/template"
)

// Passwords are refused on a connection that isn't encrypted, so a client that
// forgets TLS fails here as it should in the field.
var conf = template.Must(template.New("slapd.conf").Parse(`
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload refint
moduleload ppolicy
pidfile  {{.D.File "slapd.pid"}}
argsfile {{.D.File "slapd.args"}}
{{if not .C.PlaintextOnly}}
TLSCACertificateFile  {{.D.CAFile}}
TLSCertificateFile    {{.D.File "server.pem"}}
TLSCertificateKeyFile {{.D.File "server.key"}}
TLSProtocolMin 3.3
security simple_bind=128
{{end}}
{{if .C.AcceptAnonymous}}allow bind_anon_cred bind_anon_dn{{end}}

database mdb
maxsize 67108864
dbnosync
suffix "{{.D.BaseDN}}"
rootdn "{{.Admin}}"
rootpw {{.Password}}
directory {{.D.File "db"}}
index objectClass,uid,mail,cn,member,memberOf,entryUUID eq

access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{{.D.BindDN}}" read by * none

overlay memberof
memberof-group-oc groupOfNames
memberof-member-ad member
memberof-memberof-ad memberOf
overlay refint
refint_attributes member
overlay ppolicy
ppolicy_default "cn=default,ou=policies,{{.D.BaseDN}}"
ppolicy_hash_cleartext
`))

type confFile struct{ d *Directory }

func (f confFile) File(name string) string { return f.d.file(name) }
func (f confFile) CAFile() string          { return f.d.CAFile }
func (f confFile) BaseDN() string          { return f.d.BaseDN }
func (f confFile) BindDN() string          { return f.d.BindDN }

func (d *Directory) slapdConf(cfg Config) []byte {
	var b bytes.Buffer
	err := conf.Execute(&b, map[string]any{
		"D": confFile{d}, "C": cfg, "Admin": d.adminDN, "Password": d.adminPW,
	})
	if err != nil {
		panic(err) // the template is a constant and writes to memory
	}
	return b.Bytes()
}
