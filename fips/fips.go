package fips

import (
	"crypto/fips140"
	"errors"
	"fmt"
	"runtime/debug"
)

// ErrNotReal means that FIPS mode is required and this process is not in it.
var ErrNotReal = errors.New("FIPS 140-3 mode is required and not real")

// Status is what the process knows of its FIPS 140-3 mode.
type Status struct {
	Enabled  bool   `json:"enabled"`  // the module is in FIPS mode
	Enforced bool   `json:"enforced"` // and refuses what is not approved (GODEBUG=fips140=only)
	Version  string `json:"version"`  // of the module linked in: "v1.0.0", or "latest" for one that is not frozen
	Build    string `json:"build"`    // GOFIPS140 of the build: "" or "off" for a plain one
}

// Current asks the running process.
func Current() Status {
	s := Status{Enabled: fips140.Enabled(), Enforced: fips140.Enforced(), Version: fips140.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "GOFIPS140" {
				s.Build = setting.Value
			}
		}
	}
	return s
}

// Check refuses to go on when FIPS mode is required and not real. The error says what to change.
func Check(required bool) error {
	if !required {
		return nil
	}
	return Current().real()
}

// real reports the first reason why the mode is less than it should be.
func (s Status) real() error {
	switch {
	case s.Build == "" || s.Build == "off" || s.Build == "latest" || s.Version == "latest":
		return fmt.Errorf("%w: the binary is not built with a frozen module: build with GOFIPS140=certified", ErrNotReal)
	case !s.Enabled:
		return fmt.Errorf("%w: it is switched off: set GODEBUG=fips140=only and nothing else for fips140", ErrNotReal)
	case !s.Enforced:
		return fmt.Errorf("%w: what is not approved is still allowed: set GODEBUG=fips140=only", ErrNotReal)
	}
	return nil
}
