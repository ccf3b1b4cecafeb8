// Package session owns what one person's device does with the API: it verifies
// the chains behind every name, seals what the person says, opens what others
// said, and keeps on disk what it must not forget.
//
// Invariant: nothing is shown and nothing is sent before crypto/chain has
// followed the channel up to that point from what this device already knew. A
// device number is used for one message only, across crashes: the bytes are on
// disk before they leave, and the same bytes go again until there is a signed
// answer.
//
// It must not know commands, terminals or how private keys are kept at rest.
package session
