package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"chancery/fips"
)

func (s *server) openTLS(context.Context) error {
	cert, key := s.config.TLS.Cert, s.config.TLS.Key
	if cert == "" {
		dir := filepath.Join(s.config.State, "tls")
		if err := selfMade(dir, time.Now()); err != nil {
			return fmt.Errorf("making a certificate: %w", err)
		}
		cert, key, s.ca = filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key"), filepath.Join(dir, "ca.pem")
	}
	if _, err := readSecret(key); err != nil {
		return fmt.Errorf("reading the TLS key: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("reading the TLS certificate: %w", err)
	}
	s.tls = fips.ServerTLS()
	s.tls.Certificates = []tls.Certificate{pair}
	s.names = func(host string) bool {
		return pair.Leaf.VerifyHostname(host) == nil || slices.Contains(s.config.TLS.Names, host)
	}
	return nil
}

const (
	certLife  = 90 * 24 * time.Hour
	certRenew = 7 * 24 * time.Hour
)

// selfMade keeps a certificate for loopback addresses in dir, and the authority
// that clients trust in ca.pem. The authority's key is never stored: it signs
// once, so that ca.pem vouches for nothing else.
func selfMade(dir string, now time.Time) error {
	if left, err := remaining(filepath.Join(dir, "server.pem"), now); err == nil && left > certRenew {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := certificate("Chancery loopback authority", now)
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	leaf := certificate("Chancery on this host", now)
	leaf.KeyUsage, leaf.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	leaf.DNSNames, leaf.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return err
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		writePEM(filepath.Join(dir, "ca.pem"), "CERTIFICATE", caDER, 0o644),
		writePEM(filepath.Join(dir, "server.key"), "PRIVATE KEY", keyDER, 0o600),
		writePEM(filepath.Join(dir, "server.pem"), "CERTIFICATE", leafDER, 0o644))
}

func certificate(name string, now time.Time) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certLife),
	}
}

func writePEM(path, kind string, der []byte, mode os.FileMode) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}

// remaining is how long the first certificate of a file is still good.
func remaining(path string, now time.Time) (time.Duration, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return 0, fmt.Errorf("%s: no PEM block", path)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return 0, err
	}
	return cert.NotAfter.Sub(now), nil
}
