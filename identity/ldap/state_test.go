package ldap

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"chancery/identity"
)

func TestStanding(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		attr, value string
		want        error
	}{
		{"cn", "x", nil},
		{"userAccountControl", "512", nil},
		{"userAccountControl", "514", identity.ErrDisabled},
		{"useraccountcontrol", "514", identity.ErrDisabled},
		{"userAccountControl", "many", identity.ErrDisabled},
		{"msDS-User-Account-Control-Computed", "16", identity.ErrLocked},
		{"accountExpires", "0", nil},
		{"accountExpires", "9223372036854775807", nil},
		{"accountExpires", "116444736000000000", identity.ErrDisabled}, // 1970
		{"accountExpires", "157766880000000000", nil},                  // 2100
		{"nsAccountLock", "TRUE", identity.ErrDisabled},
		{"nsAccountLock", "false", nil},
		{"pwdAccountLockedTime", "000001010000Z", identity.ErrDisabled},
		{"pwdAccountLockedTime", "20260301115900Z", identity.ErrLocked},
		{"shadowExpire", "-1", nil},
		{"shadowExpire", "0", identity.ErrDisabled},
		{"shadowExpire", "20513", identity.ErrDisabled}, // today
		{"shadowExpire", "20514", nil},
		{"shadowExpire", "soon", identity.ErrDisabled},
	}
	for _, test := range tests {
		got := standing(ldap.NewEntry("cn=x", map[string][]string{test.attr: {test.value}}), now)
		if !errors.Is(got, test.want) {
			t.Errorf("%s=%s: %v, want %v", test.attr, test.value, got, test.want)
		}
	}
}

func TestSubject(t *testing.T) {
	t.Parallel()
	const text = "00112233-4455-6677-8899-aabbccddeeff"
	raw := "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff"
	ad := "\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff"
	tests := []struct {
		kind   identity.SubjectKind
		value  string
		want   string // empty: refused
		filter string
	}{
		{identity.EntryUUID, text, text, "(entryUUID=" + text + ")"},
		{identity.EntryUUID, strings.ToUpper(text), text, "(entryUUID=" + text + ")"},
		{identity.EntryUUID, raw, text, "(entryUUID=" + text + ")"},
		{identity.EntryUUID, text + "0", "", ""},
		{identity.EntryUUID, strings.ReplaceAll(text, "-", ""), "", ""},
		{identity.EntryUUID, "", "", ""},
		{identity.ObjectGUID, ad, text, `(objectGUID=\33\22\11\00\55\44\77\66\88\99\aa\bb\cc\dd\ee\ff)`},
		{identity.ObjectGUID, text, "", ""},
		{identity.NSUniqueID, "66446001-1DD211B2-66225011-2EE211DB", "66446001-1dd211b2-66225011-2ee211db", "(nsUniqueId=66446001-1dd211b2-66225011-2ee211db)"},
		{identity.NSUniqueID, "*", "", ""},
	}
	for _, test := range tests {
		got, err := subjectOf(ldap.NewEntry("cn=x", map[string][]string{string(test.kind): {test.value}}), test.kind)
		if (err != nil) != (test.want == "") || err == nil && got != test.want {
			t.Errorf("%s %q: %q, %v", test.kind, test.value, got, err)
		}
		if err != nil {
			continue
		}
		if filter, err := subjectFilter(got, test.kind); err != nil || filter != test.filter {
			t.Errorf("filter of %s: %s, %v", got, filter, err)
		}
	}
}

func TestBindFailure(t *testing.T) {
	t.Parallel()
	const ad = "80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data %, v3839"
	tests := []struct {
		code uint16
		text string
		want error
	}{
		{ldap.LDAPResultInvalidCredentials, "", identity.ErrCredentials},
		{ldap.LDAPResultInvalidCredentials, strings.Replace(ad, "%", "52e", 1), identity.ErrCredentials},
		{ldap.LDAPResultInvalidCredentials, strings.Replace(ad, "%", "532", 1), identity.ErrCredentials},
		{ldap.LDAPResultInvalidCredentials, strings.Replace(ad, "%", "533", 1), identity.ErrDisabled},
		{ldap.LDAPResultInvalidCredentials, strings.Replace(ad, "%", "701", 1), identity.ErrDisabled},
		{ldap.LDAPResultInvalidCredentials, strings.Replace(ad, "%", "775", 1), identity.ErrLocked},
		{ldap.LDAPResultUnwillingToPerform, "", identity.ErrCredentials},
		{ldap.LDAPResultBusy, "", identity.ErrUnavailable},
		{ldap.LDAPResultReferral, "", identity.ErrUnavailable},
		{ldap.LDAPResultStrongAuthRequired, "", identity.ErrUnavailable},
		{ldap.ErrorNetwork, "", identity.ErrUnavailable},
	}
	for _, test := range tests {
		got := bindFailure(ldap.NewError(test.code, errors.New(test.text)))
		if !errors.Is(got, test.want) {
			t.Errorf("%d %s: %v", test.code, test.text, got)
		}
	}
	if got := bindFailure(errors.New(strings.Repeat("x\xff", 4096))).Error(); len(got) > 500 {
		t.Errorf("a hostile text of %d bytes goes into the audit", len(got))
	}
}
