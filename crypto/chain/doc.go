// Package chain is the one validator: it says, at a position, who belongs to
// the organisation, which devices a user has, and which entry a channel takes.
// Clients, the recorder, the server and the auditor all run this code, so that
// none of them can be shown what another would refuse.
//
// Invariant: an entry either applies whole or changes nothing, and whether it
// applies follows from the chain, the directory of other chains and the entry
// alone. Only what everyone can check moves state; what needs a key (a
// commitment, a body) never does, or validators would diverge.
//
// It must not know private keys, the network, storage or the wall clock.
package chain
