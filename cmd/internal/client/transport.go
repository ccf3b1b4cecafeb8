package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"chancery/fips"
)

// ErrServer reports an address that this client won't talk to.
var ErrServer = errors.New("unacceptable server address")

// Config says where the server is and how it proves itself.
type Config struct {
	URL   string // such as https://chat.example:8443
	CA    string // file of PEM certificates to trust instead of the system's; may be empty
	Token string // of the session; empty before sign-in
}

// Transport talks to one server, as one session. It is safe for concurrent use.
type Transport struct {
	base  *url.URL
	http  *http.Client
	tls   *tls.Config
	token *atomic.Pointer[string]
}

// New prepares a connection; nothing is sent yet.
func New(c Config) (*Transport, error) {
	base, err := parseServer(c.URL)
	if err != nil {
		return nil, err
	}
	conf := fips.ClientTLS()
	if c.CA != "" {
		if conf.RootCAs, err = readRoots(c.CA); err != nil {
			return nil, err
		}
	}
	return &Transport{base: base, tls: conf, token: newToken(c.Token), http: &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: conf, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 16,
			IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 15 * time.Second, ResponseHeaderTimeout: time.Minute,
		},
		// A redirect would carry the token to a place that nobody chose.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// parseServer takes https, and plain http only to this very host: a token must
// not cross a network in the clear.
func parseServer(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("%w: %q is not https://host[:port]", ErrServer, raw)
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme != "https" && (u.Scheme != "http" || ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("%w: %q: only https, or http to a loopback address", ErrServer, raw)
	}
	return u, nil
}

func readRoots(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading CA file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("reading CA file %s: no PEM certificate in it", file)
	}
	return pool, nil
}

// WithToken is the same server as another session. Connections are shared.
func (t *Transport) WithToken(token string) *Transport {
	other := *t
	other.token = newToken(token)
	return &other
}

// SetToken goes on as another session, for all who use this transport.
func (t *Transport) SetToken(token string) { t.token.Store(&token) }

func newToken(token string) *atomic.Pointer[string] {
	p := new(atomic.Pointer[string])
	p.Store(&token)
	return p
}

// bearer is the header that carries the session; none before sign-in.
func (t *Transport) bearer(h http.Header) {
	if token := *t.token.Load(); token != "" {
		h.Set("Authorization", "Bearer "+token)
	}
}

// URL is the server's address.
func (t *Transport) URL() string { return t.base.String() }

// Close lets idle connections go.
func (t *Transport) Close() { t.http.CloseIdleConnections() }
