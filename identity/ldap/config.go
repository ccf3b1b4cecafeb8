package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"chancery/identity"
)

// GroupMode says where a person's groups are found.
type GroupMode string

const (
	NoGroups    GroupMode = "none"
	MemberOf    GroupMode = "memberOf" // DNs in an attribute of the person
	GroupSearch GroupMode = "search"   // entries that name the person as a member
)

// Config describes one directory. Fields with a default may be left zero.
type Config struct {
	Name     string   // permanent: part of every external identity
	Servers  []string // in order of preference: ldaps://host[:port], or ldap://host[:port] with StartTLS
	StartTLS bool     // required for ldap://, since plaintext is refused
	CAFile   string   // PEM; empty: the system's roots

	BindDN       string // service account for searches
	BindPassword identity.Secret

	BaseDN            string
	UserFilter        string               // "(objectClass=person)"
	LoginAttributes   []string             // what a person may type: "uid"
	UsernameAttribute string               // "uid"
	NameAttribute     string               // "cn"
	MailAttribute     string               // "mail"
	Attributes        []string             // copied to Claims.Attrs
	Subject           identity.SubjectKind // EntryUUID; ObjectGUID or NSUniqueID

	Groups               GroupMode // NoGroups
	GroupBaseDN          string    // BaseDN
	GroupFilter          string    // "(objectClass=groupOfNames)", for GroupSearch
	GroupMemberAttribute string    // "member", for GroupSearch
	GroupNameAttribute   string    // "cn"
	MaxGroups            int       // 500; a person with more is refused, since a part would decide wrongly

	DialTimeout time.Duration // 3 s, TCP and TLS together
	OpTimeout   time.Duration // 5 s for each request
	Limit       time.Duration // 10 s for a whole sign-in or look-up, also of those that wait for a connection
	PoolSize    int           // 4 search connections
	PoolMaxAge  time.Duration // 5 min

	Now func() time.Time // time.Now
}

// Validate reports everything that is wrong, one line for each field.
func (c Config) Validate() error {
	_, err := c.parse()
	return err
}

// settings is a Config that was checked and completed.
type settings struct {
	Config
	servers []server
	base    *ldap.DN
	roots   *x509.CertPool
}

type server struct {
	url   string
	addr  string // host:port
	host  string // name the certificate must carry
	ldaps bool
}

func (c Config) parse() (*settings, error) {
	c = c.withDefaults()
	s := &settings{Config: c}
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("ldap config: %s: %w", field, fmt.Errorf(format, args...)))
	}
	if c.Name == "" {
		bad("name", "is empty")
	}
	if len(c.Servers) == 0 {
		bad("servers", "none given")
	}
	for _, text := range c.Servers {
		srv, err := parseServer(text, c.StartTLS)
		if err != nil {
			bad("servers", "%w", err)
		}
		s.servers = append(s.servers, srv)
	}
	var err error
	if s.roots, err = readRoots(c.CAFile); err != nil {
		bad("CA file", "%w", err)
	}
	if s.base, err = parseDN(c.BaseDN); err != nil {
		bad("base DN", "%w", err)
	}
	c.checkBind(bad)
	c.checkSearch(bad)
	return s, errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	setDefault(&c.UserFilter, "(objectClass=person)")
	setDefault(&c.UsernameAttribute, "uid")
	setDefault(&c.NameAttribute, "cn")
	setDefault(&c.MailAttribute, "mail")
	setDefault(&c.Subject, identity.EntryUUID)
	setDefault(&c.Groups, NoGroups)
	setDefault(&c.GroupBaseDN, c.BaseDN)
	setDefault(&c.GroupFilter, "(objectClass=groupOfNames)")
	setDefault(&c.GroupMemberAttribute, "member")
	setDefault(&c.GroupNameAttribute, "cn")
	setDefault(&c.MaxGroups, 500)
	setDefault(&c.DialTimeout, 3*time.Second)
	setDefault(&c.OpTimeout, 5*time.Second)
	setDefault(&c.Limit, 10*time.Second)
	setDefault(&c.PoolSize, 4)
	setDefault(&c.PoolMaxAge, 5*time.Minute)
	if len(c.LoginAttributes) == 0 {
		c.LoginAttributes = []string{"uid"}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c Config) checkBind(bad func(string, string, ...any)) {
	if _, err := parseDN(c.BindDN); err != nil {
		bad("bind DN", "%w", err)
	}
	if err := checkPassword(string(c.BindPassword)); err != nil {
		bad("bind password", "%w", err)
	}
}

func (c Config) checkSearch(bad func(string, string, ...any)) {
	if _, err := parseDN(c.GroupBaseDN); err != nil {
		bad("group base DN", "%w", err)
	}
	for _, f := range [][2]string{{"user filter", c.UserFilter}, {"group filter", c.GroupFilter}} {
		if _, err := ldap.CompileFilter(f[1]); err != nil {
			bad(f[0], "%q: %w", f[1], err)
		}
	}
	names := append([]string{c.UsernameAttribute, c.NameAttribute, c.MailAttribute,
		c.GroupMemberAttribute, c.GroupNameAttribute}, append(c.LoginAttributes, c.Attributes...)...)
	for _, name := range names {
		if !isAttribute(name) {
			bad("attributes", "%q is not an attribute name", name)
		}
	}
	switch c.Subject {
	case identity.EntryUUID, identity.ObjectGUID, identity.NSUniqueID:
	default:
		bad("subject", "%q is not an LDAP identifier: use entryUUID, objectGUID or nsUniqueId", c.Subject)
	}
	switch c.Groups {
	case NoGroups, MemberOf, GroupSearch:
	default:
		bad("groups", "%q: use none, memberOf or search", c.Groups)
	}
	if c.MaxGroups < 0 || c.PoolSize < 0 || c.DialTimeout < 0 || c.OpTimeout < 0 || c.Limit < 0 || c.PoolMaxAge < 0 {
		bad("limits", "negative")
	}
}

func parseServer(text string, startTLS bool) (server, error) {
	u, err := url.Parse(text)
	if err != nil {
		return server{}, err
	}
	s := server{url: u.Scheme + "://" + u.Host, host: u.Hostname()}
	port := u.Port()
	switch u.Scheme {
	case "ldaps":
		s.ldaps = true
		setDefault(&port, "636")
	case "ldap":
		if !startTLS {
			return server{}, fmt.Errorf("%q is plaintext, which is refused: use ldaps:// or turn StartTLS on", text)
		}
		setDefault(&port, "389")
	default:
		return server{}, fmt.Errorf("%q: use ldaps:// or ldap://", text)
	}
	if s.host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return server{}, fmt.Errorf("%q: want a host and maybe a port, nothing else", s.url)
	}
	s.addr = net.JoinHostPort(s.host, port)
	return s, nil
}

func readRoots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil // crypto/tls takes the system's roots
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", path)
	}
	return pool, nil
}

func (s *settings) tls(srv server) *tls.Config {
	return &tls.Config{RootCAs: s.roots, ServerName: srv.host, MinVersion: tls.VersionTLS12}
}

// parseDN refuses the empty DN, which means "anonymous" in a bind and
// "everything" as a base.
func parseDN(text string) (*ldap.DN, error) {
	dn, err := ldap.ParseDN(text)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	if len(dn.RDNs) == 0 {
		return nil, errors.New("is empty")
	}
	return dn, nil
}

// isAttribute guards the names that are put into filters unescaped.
func isAttribute(name string) bool {
	for _, r := range name {
		letter := 'a' <= r|0x20 && r|0x20 <= 'z'
		if !letter && !('0' <= r && r <= '9') && r != '-' {
			return false
		}
	}
	return name != ""
}
