// Package live owns the WebSocket gateway: connections, subscriptions and the
// handing of placed entries to those who listen.
//
// Invariant: after the frame that makes a subscription ready, a socket gets
// every entry of the channel once and in order, or a frame that says from where
// to fetch. Each socket holds a bounded queue; nobody waits for a slow one.
// Sockets are bounded by session, by person and in all. Every subscription was
// permitted, and ends with the membership or the session; what a member may not
// read by HTTP is withheld here by the same rule.
//
// It must not know what entries mean, but for a removal and a message's epoch,
// nor how they are stored.
package live
