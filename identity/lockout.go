package identity

import "time"

// LockoutRule says when failed sign-ins lock a name. The zero rule counts
// every name as locked, so that a forgotten setting can't pass for leniency.
type LockoutRule struct {
	Failures int           // so many within Window lock
	Window   time.Duration //
	Hold     time.Duration // how long the lock stays; zero: until released
}

// ThreeIn15 locks after 3 failures in 15 minutes, for 15 minutes (SP 800-53 AC-7).
func ThreeIn15() LockoutRule {
	return LockoutRule{Failures: 3, Window: 15 * time.Minute, Hold: 15 * time.Minute}
}

// Lockout is the state of one normalised name, kept by the store. Its zero
// value is a name without failures, which is also what a release writes.
type Lockout struct {
	Failures []time.Time // oldest first, at most LockoutRule.Failures
	LockedAt time.Time   // zero when never locked
}

// Locked reports whether the name is refused at now, before any password is tried.
func (r LockoutRule) Locked(l Lockout, now time.Time) bool {
	if r.Failures <= 0 {
		return true
	}
	if l.LockedAt.IsZero() {
		return false
	}
	return r.Hold == 0 || now.Before(l.LockedAt.Add(r.Hold))
}

// Fail returns the state after a failure at now. Failures during a lock are
// not counted: a stranger could hold the owner out for ever.
func (r LockoutRule) Fail(l Lockout, now time.Time) Lockout {
	if r.Locked(l, now) {
		return l
	}
	var recent []time.Time
	for _, t := range l.Failures {
		if now.Sub(t) < r.Window {
			recent = append(recent, t)
		}
	}
	recent = append(recent, now)
	if len(recent) < r.Failures {
		return Lockout{Failures: recent}
	}
	return Lockout{LockedAt: now}
}
