package fips

import (
	"crypto/fips140"
	"crypto/tls"
)

// ServerTLS is the base of every listener: TLS 1.3, or 1.2 with forward secrecy and AES-GCM. The caller adds
// certificates. In FIPS mode only approved groups and suites are offered.
func ServerTLS() *tls.Config { return profile(fips140.Enabled()) }

// ClientTLS is the base of every outgoing connection. The caller may add roots, a client certificate and a name; it
// must not turn verification off.
func ClientTLS() *tls.Config { return profile(fips140.Enabled()) }

// profile leaves TLS 1.3 suites to crypto/tls, which offers no choice there and knows FIPS mode itself.
func profile(approvedOnly bool) *tls.Config {
	c := &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		},
	}
	// X25519 is approved only as half of a hybrid with ML-KEM.
	c.CurvePreferences = []tls.CurveID{tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024}
	if !approvedOnly {
		c.CurvePreferences = append(c.CurvePreferences, tls.X25519)
	}
	c.CurvePreferences = append(c.CurvePreferences, tls.CurveP256, tls.CurveP384, tls.CurveP521)
	return c
}
