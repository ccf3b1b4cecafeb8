// Package fips says whether Go's FIPS 140-3 module is really in charge of this process, and how TLS is set up.
//
// It owns the start check: a server told that FIPS is required runs only when the linked module is a frozen version,
// is on, and refuses everything else. What counts is what the process reports about itself, because GODEBUG in the
// environment overrules both the build and the program.
//
// It promises nothing about certificates: whether a module version is validated is for the reader of Status to look
// up. It does no cryptography and must not know who asks.
package fips
