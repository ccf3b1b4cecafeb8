package ldap

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"chancery/identity"
)

// stateAttributes are asked for with every person; a directory leaves out
// those it doesn't know.
var stateAttributes = []string{
	"userAccountControl", "msDS-User-Account-Control-Computed", "accountExpires",
	"nsAccountLock", "pwdAccountLockedTime", "shadowExpire",
}

const (
	adDisabled = 0x2
	adLockout  = 0x10
	// lockedForever is how a password policy writes a lock by an administrator.
	lockedForever = "000001010000Z"
)

// standing returns nil for an account that may act, else ErrDisabled or
// ErrLocked with the reason. A value that can't be read counts as disabled.
func standing(entry *ldap.Entry, now time.Time) error {
	if v := value(entry, "nsAccountLock"); strings.EqualFold(v, "true") {
		return fmt.Errorf("nsAccountLock: %w", identity.ErrDisabled)
	}
	if value(entry, "pwdAccountLockedTime") == lockedForever {
		return fmt.Errorf("pwdAccountLockedTime without end: %w", identity.ErrDisabled)
	}
	if err := adStanding(entry, now); err != nil {
		return err
	}
	if err := shadowStanding(entry, now); err != nil {
		return err
	}
	// The time of an ordinary lock stays in the entry after it has ended, so
	// it only explains a refused bind and never refuses by itself.
	if value(entry, "pwdAccountLockedTime") != "" {
		return fmt.Errorf("pwdAccountLockedTime: %w", identity.ErrLocked)
	}
	return nil
}

func adStanding(entry *ldap.Entry, now time.Time) error {
	control, err := number(entry, "userAccountControl")
	if err != nil {
		return err
	}
	if control&adDisabled != 0 {
		return fmt.Errorf("userAccountControl: %w", identity.ErrDisabled)
	}
	expires, err := number(entry, "accountExpires")
	if err != nil {
		return err
	}
	// 0 and the largest value both mean never.
	if expires > 0 && expires < 1<<63-1 && !now.Before(fileTime(expires)) {
		return fmt.Errorf("accountExpires: %w", identity.ErrDisabled)
	}
	computed, err := number(entry, "msDS-User-Account-Control-Computed")
	if err != nil {
		return err
	}
	if computed&adLockout != 0 {
		return fmt.Errorf("account lockout: %w", identity.ErrLocked)
	}
	return nil
}

// shadowStanding reads shadowExpire, in days since 1970; negative is never.
func shadowStanding(entry *ldap.Entry, now time.Time) error {
	if value(entry, "shadowExpire") == "" {
		return nil
	}
	days, err := number(entry, "shadowExpire")
	if err != nil {
		return err
	}
	if days >= 0 && now.Unix()/86400 >= days {
		return fmt.Errorf("shadowExpire: %w", identity.ErrDisabled)
	}
	return nil
}

// fileTime reads the clock of Active Directory: 100 ns since 1601.
func fileTime(ticks int64) time.Time {
	const secondsTo1970 = 11644473600
	return time.Unix(ticks/1e7-secondsTo1970, ticks%1e7*100)
}

func number(entry *ldap.Entry, attr string) (int64, error) {
	text := value(entry, attr)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is not a number: %w", attr, identity.ErrDisabled)
	}
	return n, nil
}

func value(entry *ldap.Entry, attr string) string { return entry.GetEqualFoldAttributeValue(attr) }
