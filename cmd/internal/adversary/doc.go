// Package adversary is the hostile server of the protocol's threat model: the
// real operations, interface, live socket and database, with a mutator at each
// seam, against real clients. All of it is test code.
//
// Invariant: nothing is played but the lie. People are sessions with keyrings of
// their own, the recorder is the real one with a copy on disk, and every lie is
// a decoded value that was changed and encoded again, so that what refuses it is
// a check and not a parser.
//
// It must not be imported, and holds no check of its own: what a client must
// refuse is named by the client, the chain, the sealing or the recorder.
//
// The seams, a file each:
//
//	answer    what the server says: any JSON answer or refusal, for one client or all
//	request   what it was asked: dropped, delayed, repeated, reordered, changed
//	live      frames of the live socket
//	file      sealed files as they are read
//	operator  the database and the server's keys: entries placed with the gate off,
//	          rows changed, entries lost
//
// An attack is a function that a control and the attack run alike:
//
//	func TestAttack01GhostMember(t *testing.T) {
//		siege(t, func(d *desk) {
//			d.say(d.ann, "for us")
//			ghost := d.join("ghost")
//			if d.attacked {
//				d.believe(ghost)                               // the server's table says so, no link does
//				d.place(d.message(ghost, d.key(d.bob, 1), "boo")) // and the gate is off
//			}
//			d.want(chain.NotMember, "for us", d.bob)
//		})
//	}
//
// The control must read the texts and be able to post. The attacked client must
// show nothing more and send nothing, for the named reason; break the check that
// names it, and the test must turn red.
package adversary
