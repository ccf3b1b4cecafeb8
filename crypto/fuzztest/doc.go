// Package fuzztest gives fuzz targets the test vectors as seeds, and holds
// decoders to memory in proportion to their input.
//
// It must not be imported by anything but tests.
package fuzztest
