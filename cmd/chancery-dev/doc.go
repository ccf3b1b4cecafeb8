// Command chancery-dev starts a whole organisation on this machine, from the
// real binaries: a directory server, the chat server with its private
// PostgreSQL, the signer, the recorder, and people with devices of their own.
// `run` leaves it running; `demo` tells the main job as numbered steps; `soak` and
// `faults` hurt it while people talk.
//
// Invariant: it drives the organisation as people do, through the command
// lines; every party has an account, a home and keys of its own, and when
// started by root an operating system user of its own.
//
// It must not know the server's insides, and never fakes a step.
package main
