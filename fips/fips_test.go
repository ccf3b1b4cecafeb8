package fips

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"math/big"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestReal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		status Status
		refuse string // part of the refusal, "" when it is real
	}{
		{"frozen, on, enforced", Status{true, true, "v1.0.0", "v1.0.0-c2097c7c"}, ""},
		{"plain build, on and enforced", Status{true, true, "latest", ""}, "GOFIPS140=certified"},
		{"build says off", Status{true, true, "v1.0.0", "off"}, "GOFIPS140=certified"},
		{"frozen in name, another module linked", Status{true, true, "latest", "v1.0.0-c2097c7c"}, "GOFIPS140=certified"},
		{"frozen, switched off by GODEBUG", Status{false, false, "v1.0.0", "v1.0.0-c2097c7c"}, "switched off"},
		{"frozen, on, not enforced", Status{true, false, "v1.0.0", "v1.0.0-c2097c7c"}, "still allowed"},
	} {
		err := test.status.real()
		if test.refuse == "" && err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if test.refuse != "" && (!errors.Is(err, ErrNotReal) || !strings.Contains(err.Error(), test.refuse)) {
			t.Errorf("%s: got %v, want a refusal with %q", test.name, err, test.refuse)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	if err := Check(false); err != nil {
		t.Errorf("not required: %v", err)
	}
	want := Current().real()
	if err := Check(true); (err == nil) != (want == nil) {
		t.Errorf("required: %v, want %v", err, want)
	}
}

// TestAttackEnvironmentOverrides runs a process per GODEBUG and expects Current to tell what it did.
func TestAttackEnvironmentOverrides(t *testing.T) {
	const helper = "CHANCERY_TEST_PRINT_FIPS"
	if os.Getenv(helper) != "" {
		if err := json.NewEncoder(os.Stdout).Encode(Current()); err != nil {
			t.Fatal(err)
		}
		os.Exit(0)
	}
	t.Parallel()
	for godebug, want := range map[string]Status{
		"fips140=off":  {Enabled: false, Enforced: false},
		"fips140=on":   {Enabled: true, Enforced: false},
		"fips140=only": {Enabled: true, Enforced: true},
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestAttackEnvironmentOverrides$")
		cmd.Env = append(os.Environ(), helper+"=1", "GODEBUG="+godebug)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", godebug, err)
		}
		var got Status
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%s: %v", godebug, err)
		}
		if got.Enabled != want.Enabled || got.Enforced != want.Enforced {
			t.Errorf("%s: %+v", godebug, got)
		}
	}
}

func TestProfileApprovedOnly(t *testing.T) {
	t.Parallel()
	if slices.Contains(profile(true).CurvePreferences, tls.X25519) {
		t.Error("X25519 alone is offered in FIPS mode")
	}
	for _, approvedOnly := range []bool{false, true} {
		for _, id := range profile(approvedOnly).CipherSuites {
			if name := tls.CipherSuiteName(id); !strings.HasPrefix(name, "TLS_ECDHE_") || !strings.Contains(name, "_GCM_") {
				t.Errorf("approved only %v: %s is offered", approvedOnly, name)
			}
		}
	}
}

func TestHandshakes(t *testing.T) {
	t.Parallel()
	certificate, roots := selfSigned(t)
	for _, test := range []struct {
		name   string
		peer   func(*tls.Config)
		want   uint16 // version, 0 when refused
		curves []tls.CurveID
	}{
		{"our own client", func(*tls.Config) {}, tls.VersionTLS13, []tls.CurveID{tls.X25519MLKEM768}},
		{"a TLS 1.2 client", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, tls.VersionTLS12, nil},
		{"a TLS 1.1 client", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, 0, nil},
		{"a client without forward secrecy", func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
		}, 0, nil},
	} {
		server, client := ServerTLS(), ClientTLS()
		server.Certificates = []tls.Certificate{certificate}
		client.RootCAs, client.ServerName = roots, "chancery.test"
		test.peer(client)
		got, err := handshake(server, client)
		if (err == nil) != (test.want != 0) || got.Version != test.want {
			t.Errorf("%s: version %s, error %v; want %s", test.name, tls.VersionName(got.Version), err, tls.VersionName(test.want))
		}
		if test.curves != nil && !slices.Contains(test.curves, got.CurveID) {
			t.Errorf("%s: group %v, want one of %v", test.name, got.CurveID, test.curves)
		}
	}
}

func handshake(server, client *tls.Config) (tls.ConnectionState, error) {
	near, far := net.Pipe()
	accepted := make(chan error, 1)
	go func() {
		defer far.Close()
		accepted <- tls.Server(far, server).Handshake()
	}()
	conn := tls.Client(near, client)
	err := conn.Handshake()
	near.Close()
	<-accepted
	if err != nil {
		return tls.ConnectionState{}, err
	}
	return conn.ConnectionState(), nil
}

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"chancery.test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
