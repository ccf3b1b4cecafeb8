// Package convert turns the messages of an opened archive into forms that other
// programs read.
//
// Invariant: every message of the archive gives exactly one line or item, also
// one that stays closed, with where it comes from: archive, place in the log
// and entry hash. Nothing is left out unsaid.
//
// It must not know keys, and opens nothing: it is fed by archive.Reading.
package convert
