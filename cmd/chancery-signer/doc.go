// Command chancery-signer signs the log's checkpoints, archives and disposal
// certificates, in a process and under a user of its own.
//
// Invariants: a log is only ever signed as an extension of what was signed
// last; an archive's ordinal is signed for one content, and only on top of the
// archive that was signed last; what was signed is on disk before the answer
// leaves; the same request has the same answer.
//
// It must not know the database, the network beyond one unix socket, or keys
// that open anything.
package main
