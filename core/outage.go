package core

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
)

// roomText is what to do about a full disk.
const roomText = "a disk of the server is full and nothing was changed; have its operator make room, then do the same again"

// full tells whether err is a disk without room: a file's, or the database's
// (SQLSTATE 53100).
func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || sqlState(err) == "53100"
}

// Outage gives the form of an error whose cause is under the server and not in
// it: a full disk, or a database that is away, starting or out of means. Nil is
// any other error. What was asked may be asked again.
func Outage(op string, err error) *Error {
	switch {
	case full(err):
		return &Error{Op: op, Kind: Full, Code: "storage.full", Public: roomText, Err: err}
	case away(err):
		return &Error{Op: op, Kind: Unavailable, Code: "storage.away", Public: "the server can't reach its database at the moment; try again", Err: err}
	}
	return nil
}

// away recognises a lost or refused connection, and the database's own words for
// stopping, starting and running out of means.
func away(err error) bool {
	switch state := sqlState(err); {
	case full(err):
		return false // nothing is unknown about it
	case slices.Contains([]string{"57P01", "57P02", "57P03", "57014"}, state): // shut down, crashed, starting, timed out
		return true
	case strings.HasPrefix(state, "08"), strings.HasPrefix(state, "53"), strings.HasPrefix(state, "58"):
		return true // connection, resources, the system under it
	case state != "":
		return false
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return true
	}
	// A connection that was found closed when it was to be used.
	if c, ok := errors.AsType[interface {
		error
		SafeToRetry() bool
	}](err); ok && c.SafeToRetry() {
		return true
	}
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// sqlState is the database's code of an error, or "". The driver is known to the
// store alone, so its errors are known by their shape here.
func sqlState(err error) string {
	if e, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err); ok {
		return e.SQLState()
	}
	return ""
}
