// Package core owns what the server does: sign-in, people, devices, teams,
// channels and the placing of sealed entries. Every exported operation has one
// shape: load what policy must see, permit, check, change and record in one
// transaction, publish.
//
// Invariant: nothing changes without a Grant, nothing changes without a record,
// and nothing is told about a thing before policy allowed seeing it.
//
// It must not know SQL, HTTP, or how anything is opened: payloads are opaque.
package core
