package ldap

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"chancery/identity"
)

// unavailable says that the directory could not be relied on. The cause is
// kept as text, so that no caller depends on the protocol library.
func unavailable(doing string, err error) error {
	return fmt.Errorf("%s: %w: %s", doing, identity.ErrUnavailable, describe(err))
}

// bindFailure sorts the answer to a person's bind. Only answers about the
// person count as such; the rest must not feed a lockout.
func bindFailure(err error) error {
	const doing = "binding as the person"
	switch {
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials):
		return fmt.Errorf("%s: %w: %s", doing, adReason(err.Error()), describe(err))
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultInappropriateAuthentication, ldap.LDAPResultNoSuchObject,
		ldap.LDAPResultInvalidDNSyntax, ldap.LDAPResultConstraintViolation,
		ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultUnwillingToPerform):
		return fmt.Errorf("%s: %w: %s", doing, identity.ErrCredentials, describe(err))
	}
	return unavailable(doing, err)
}

var adSubCode = regexp.MustCompile(`AcceptSecurityContext error, data ([0-9a-f]{3}),`)

// adReason reads the sub-code that Active Directory puts in the text of a
// refused bind.
func adReason(text string) error {
	m := adSubCode.FindStringSubmatch(text)
	if m == nil {
		return identity.ErrCredentials
	}
	switch m[1] {
	case "533", "701": // disabled, expired
		return identity.ErrDisabled
	case "775":
		return identity.ErrLocked
	}
	return identity.ErrCredentials
}

// describe bounds what a directory can put into our audit and logs.
func describe(err error) string {
	const most = 300
	text := strings.ToValidUTF8(err.Error(), "?")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

var (
	errEmptyPassword = errors.New("password is empty")
	errNULPassword   = errors.New("password contains NUL")
	errLongPassword  = errors.New("password is longer than 1024 bytes")
)

// checkPassword refuses what must not reach the wire. A bind with a name and
// an empty password succeeds on some servers (RFC 4513 5.1.2), and a server in
// C may take what follows a NUL as absent, or all of it if it comes first.
func checkPassword(password string) error {
	switch {
	case password == "":
		return errEmptyPassword
	case strings.ContainsRune(password, 0):
		return errNULPassword
	case len(password) > 1024:
		return errLongPassword
	}
	return nil
}
