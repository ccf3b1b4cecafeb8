// Package live owns the WebSocket gateway: connections, subscriptions and the
// handing of placed entries to those who listen.
//
// Invariant: after the frame that makes a subscription ready, a socket gets
// every entry of the channel once and in order, or a frame that says from where
// to fetch. Each socket holds a bounded queue; nobody waits for a slow one.
// Every subscription was permitted, and ends with the membership or the session.
//
// It must not know what entries mean, but for a removal, nor how they are
// stored.
package live
