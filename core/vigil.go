package core

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"chancery/identity"
	"chancery/policy"
)

// vigil is what is known of people whom a directory may have let go. It is
// memory only: after a restart a person who is gone is looked for twice again.
type vigil struct {
	suspects chan suspicion

	mu     sync.Mutex
	absent map[identity.UserID]absence // not found when last looked for

	unsure atomic.Int64 // directories whose last round could not be relied on
	fused  atomic.Int64 // people whom the fuse kept from being disabled in the last round
}

// absence is of someone whom a directory did not know.
type absence struct {
	Acquaintance
	since time.Time
}

// goneFor is how long a directory must not know somebody who is gone: longer
// than they are out of sight while they are moved, or a replica lags. Who guesses
// at their password meanwhile must not make it shorter.
const goneFor = 30 * time.Second

// suspicion is a name that a directory has just refused.
type suspicion struct {
	connector identity.PasswordConnector
	username  string
}

func newVigil() *vigil {
	return &vigil{suspects: make(chan suspicion, 64), absent: map[identity.UserID]absence{}}
}

// suspect has someone whose sign-in was refused looked up soon. It must cost
// the sign-in nothing, or its time would tell who has an account.
func (v *vigil) suspect(c identity.PasswordConnector, username string) {
	select {
	case v.suspects <- suspicion{c, username}:
	default: // the next round finds them, if they could still act
	}
}

// followDirectories asks directories about refused names at once, and about
// people who are signed in at intervals.
func (s *Service) followDirectories(ctx context.Context) {
	var tick <-chan time.Time
	if s.Recheck > 0 {
		t := time.NewTicker(s.Recheck)
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case x := <-s.vigil.suspects:
			s.lookAt(ctx, x)
		case <-tick:
			s.lookRound(ctx)
		}
	}
}

// lookAt asks about one refused name. Whoever has it here is found by what the
// directory vouched for then, never by the name.
func (s *Service) lookAt(ctx context.Context, x suspicion) {
	name := identity.Normalize(x.username)
	if name == "" {
		return // which the store would take for anyone
	}
	people, err := s.Store.Acquainted(ctx, x.connector.Name(), name)
	if err == nil && len(people) > 0 {
		_, err = s.look(ctx, x.connector, people)
	}
	s.report(ctx, x.connector, err)
}

// lookRound asks every directory about everyone who could act, and about those
// it did not know the last time.
func (s *Service) lookRound(ctx context.Context) {
	unsure, fused := int64(0), int64(0)
	for _, c := range s.Connectors {
		now := s.Now()
		people, err := s.Store.SignedIn(ctx, c.Name(), now.Add(-s.Profile.Idle), now.Add(-s.Profile.Absolute))
		if err == nil {
			var kept int
			kept, err = s.look(ctx, c, s.vigil.withAbsent(c.Name(), people))
			fused += int64(kept)
		}
		if err != nil {
			unsure++
		}
		s.report(ctx, c, err)
	}
	s.vigil.unsure.Store(unsure)
	s.vigil.fused.Store(fused)
}

func (s *Service) report(ctx context.Context, c identity.PasswordConnector, err error) {
	if err != nil && ctx.Err() == nil {
		s.Log.ErrorContext(ctx, "looking for people who left failed", "directory", c.Name(), "err", err)
	}
}

// withAbsent adds to people those whom the directory did not know.
func (v *vigil) withAbsent(connector string, people []Acquaintance) []Acquaintance {
	v.mu.Lock()
	defer v.mu.Unlock()
	have := map[identity.UserID]bool{}
	for _, a := range people {
		have[a.Account] = true
	}
	for id, a := range v.absent {
		if !have[id] && a.External.Connector == connector {
			people = append(people, a.Acquaintance)
		}
	}
	return people
}

// findings are what a directory says of some people.
type findings struct {
	known, disabled, gone []Acquaintance
	failed                error // of those that it could not be asked about
}

// giveUp is after how many failures in a row a directory counts as down.
const giveUp = 3

func ask(ctx context.Context, c identity.PasswordConnector, people []Acquaintance) (f findings) {
	failures := 0
	for _, a := range people {
		claims, err := c.Lookup(ctx, a.External.Subject)
		switch {
		case errors.Is(err, identity.ErrNoSubject):
			f.gone = append(f.gone, a)
		case err != nil:
			f.failed = err
			if failures++; failures == giveUp {
				return f
			}
			continue
		case claims.ExternalID() != a.External:
			f.failed = fmt.Errorf("account %d: the directory answers with another identity", a.Account)
		case claims.Enabled:
			f.known = append(f.known, a)
		default:
			f.disabled = append(f.disabled, a)
		}
		failures = 0
	}
	return f
}

// look asks about people and ends the accounts of those who were disabled, at
// once, or are gone, when they were gone the last time too. It tells how many
// the fuse kept.
//
// A directory that lost its data, or the right to show it, answers like one in
// which everybody is gone. So nobody is gone unless it knows somebody, and all
// could be asked about.
func (s *Service) look(ctx context.Context, c identity.PasswordConnector, people []Acquaintance) (kept int, err error) {
	f := ask(ctx, c, people)
	s.vigil.found(f.known)
	left := f.disabled
	if len(f.gone) > 0 && f.failed == nil {
		if len(f.known)+len(f.disabled) > 0 || s.knowsAnybody(ctx, c) {
			left = append(left, s.vigil.goneAgain(f.gone, s.Now())...)
		} else {
			f.failed = fmt.Errorf("the directory knows none of %d people, nor anyone else: nobody is disabled", len(f.gone))
		}
	}
	kept, err = s.endByDirectory(ctx, left)
	return kept, errors.Join(f.failed, err)
}

// knowsAnybody asks a directory about those who signed in through it last.
func (s *Service) knowsAnybody(ctx context.Context, c identity.PasswordConnector) bool {
	others, err := s.Store.Acquainted(ctx, c.Name(), "")
	if err != nil {
		return false
	}
	f := ask(ctx, c, others)
	return len(f.known)+len(f.disabled) > 0
}

func (v *vigil) found(people []Acquaintance) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, a := range people {
		delete(v.absent, a.Account)
	}
}

// goneAgain notes who is gone, and gives those who have been for long enough.
func (v *vigil) goneAgain(people []Acquaintance, now time.Time) (again []Acquaintance) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, a := range people {
		first, before := v.absent[a.Account]
		switch {
		case !before:
			v.absent[a.Account] = absence{a, now}
		case now.Sub(first.since) >= goneFor:
			again = append(again, a)
		}
	}
	return again
}

// The fuse: a directory disables no more than this in a rolling day, 20 or a
// fiftieth of all. More is a mistake or an attack until people have looked, who
// can disable by name.
func fuse(accounts int) int { return max(20, accounts/50) }

func (s *Service) endByDirectory(ctx context.Context, left []Acquaintance) (kept int, err error) {
	if len(left) == 0 {
		return 0, nil
	}
	lately, accounts, err := s.Store.Disabled(ctx, byDirectory, s.Now().Add(-24*time.Hour))
	if err != nil {
		return 0, err
	}
	if limit := fuse(accounts + lately); lately+len(left) > limit {
		return len(left), fmt.Errorf("the directory lets %d people go after %d in a day, more than %d: nobody is disabled; look at it, then chancery people disable", len(left), lately, limit)
	}
	for _, a := range left {
		if failed := s.endOne(ctx, a); failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		s.vigil.found([]Acquaintance{a}) // nothing more to look for
	}
	return 0, err
}

func (s *Service) endOne(ctx context.Context, a Acquaintance) error {
	_, grant, e, err := s.Gate.Permit(ctx, Job("directory"), policy.UserDisable, accountResource(a.Account))
	if err != nil {
		return err
	}
	e.Detail = fmt.Sprintf(`{"by":%q}`, byDirectory)
	return s.disable(ctx, grant, e, a.Account, byDirectory)
}

// Alarms are what people have to look at.
type Alarms struct {
	Waiting int64 // memberships of disabled people that the server can't end alone
	Unsure  int64 // directories that the last round could not rely on
	Fused   int64 // people whom the fuse kept in the last round
}

// Alarms tells what people have to look at now.
func (s *Service) Alarms() Alarms {
	return Alarms{Waiting: s.leaving.waiting.Load(), Unsure: s.vigil.unsure.Load(), Fused: s.vigil.fused.Load()}
}
