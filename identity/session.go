package identity

import (
	"errors"
	"time"
)

var (
	ErrSessionRevoked = errors.New("session revoked")
	ErrSessionIdle    = errors.New("session idle for too long")
	ErrSessionExpired = errors.New("session expired")
)

// Session is one sign-in. It holds no secret: Token is a hash.
type Session struct {
	ID        SessionID
	User      UserID
	Token     TokenHash
	Device    [32]byte // zero until bound to an enrolled device
	Connector string
	AMR       []string
	ACR       string

	CreatedAt time.Time
	AuthTime  time.Time
	StepUpAt  time.Time // zero when there was none
	RotatedAt time.Time // when Token was last replaced
	ActiveAt  time.Time // last act of the person; pings are not activity
	RevokedAt time.Time // zero while it stands
}

// Profile is how long a session may live. The zero Profile lets none live.
type Profile struct {
	Idle     time.Duration
	Absolute time.Duration
	Rotate   time.Duration // age at which the token is replaced
}

// Standard is the profile of an ordinary installation.
func Standard() Profile {
	return Profile{Idle: 12 * time.Hour, Absolute: 7 * 24 * time.Hour, Rotate: 24 * time.Hour}
}

// IL5 is the profile of the hardened installation: 15 minutes idle, 10 for
// administrators (DISA ASD STIG V-222389, V-222390), 12 hours at most.
func IL5(administrator bool) Profile {
	p := Profile{Idle: 15 * time.Minute, Absolute: 12 * time.Hour, Rotate: 24 * time.Hour}
	if administrator {
		p.Idle = 10 * time.Minute
	}
	return p
}

// Deadline is the moment s ends if nothing more happens.
func (p Profile) Deadline(s Session) time.Time {
	idle, absolute := s.ActiveAt.Add(p.Idle), s.CreatedAt.Add(p.Absolute)
	if idle.Before(absolute) {
		return idle
	}
	return absolute
}

// Check returns nil while s stands at now, else one of [ErrSessionRevoked],
// [ErrSessionExpired], [ErrSessionIdle]. A session ends at its deadline, not after.
func (p Profile) Check(s Session, now time.Time) error {
	switch {
	case !s.RevokedAt.IsZero():
		return ErrSessionRevoked
	case !now.Before(s.CreatedAt.Add(p.Absolute)):
		return ErrSessionExpired
	case !now.Before(s.ActiveAt.Add(p.Idle)):
		return ErrSessionIdle
	}
	return nil
}

// MustRotate reports whether the token of s is old enough to be replaced.
func (p Profile) MustRotate(s Session, now time.Time) bool {
	return !now.Before(s.RotatedAt.Add(p.Rotate))
}
