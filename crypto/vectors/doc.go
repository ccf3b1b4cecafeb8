// Package vectors owns the files in crypto/testdata/vectors: what another
// implementation is held against, most of it to be refused.
//
// Invariant: the files are what the tests make again on every run, byte for
// byte; `go test ./crypto/... -args -update` writes them. Each test then reads
// its cases back from the file, so Go and other languages judge the same bytes.
//
// For tests only. It must not know any format.
package vectors
