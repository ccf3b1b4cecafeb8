package core_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"chancery/core"
	"chancery/core/coretest"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/identity/identitytest"
	"chancery/identity/ldap"
	"chancery/policy"
)

// corp is a server whose people are in a real directory. Rounds are begun by
// the test: the interval is an hour.
type corp struct {
	*coretest.Server
	dir   *identitytest.Directory
	later atomic.Int64 // ns that the server's clock is ahead
}

func startCorp(t *testing.T, people ...string) *corp {
	t.Helper()
	c := &corp{Server: coretest.Start(t)}
	var entries []identitytest.Person
	for _, name := range append(people, "ann") {
		group := "staff"
		if name == "ann" {
			group = "admins"
		}
		entries = append(entries, identitytest.Person{UID: name, Name: name, Password: "right", Groups: []string{group}})
	}
	var err error
	c.dir, err = identitytest.StartDirectory(t.Context(), identitytest.Config{People: entries})
	c.Must(err)
	t.Cleanup(func() { c.Must(c.dir.Stop()) })
	connector, err := ldap.New(ldap.Config{
		Name: "corp", Servers: []string{c.dir.StartTLS}, StartTLS: true, CAFile: c.dir.CAFile, BindDN: c.dir.BindDN,
		BindPassword: identity.Secret(c.dir.BindPassword), BaseDN: c.dir.BaseDN, Subject: identity.EntryUUID, Groups: ldap.MemberOf,
		OpTimeout: 2 * time.Second,
	})
	c.Must(err)
	t.Cleanup(connector.Close)
	config := c.Config
	config.Connectors, config.Roles = []identity.PasswordConnector{connector}, map[string]string{"admins": policy.RoleAdmin}
	config.Now = func() time.Time { return time.Now().Add(time.Duration(c.later.Load())) }
	c.Service = c.Run(&config)
	return c
}

// stands tells whether a token still opens anything.
func (c *corp) stands(token string) bool {
	_, err := c.Authenticate(context.Background(), token)
	return err == nil
}

func (c *corp) want(t *testing.T, what string, token string, stands bool) {
	t.Helper()
	if c.stands(token) != stands {
		t.Errorf("%s: the session stands: %v", what, !stands)
	}
}

// TestAttackDisabledInDirectory: the round ends who is disabled at once, and
// who is gone when they have been for a while; a directory that does not answer, or
// knows nobody, ends nobody.
func TestAttackDisabledInDirectory(t *testing.T) {
	t.Parallel()
	c := startCorp(t, "bob", "carl")
	ann, bob, carl := c.SignIn("ann"), c.SignIn("bob"), c.SignIn("carl")
	core.LookRound(c.Service, t.Context())
	c.want(t, "nothing happened", bob.Token, true)

	c.Must(c.dir.Down())
	core.LookRound(c.Service, t.Context())
	if a := c.Alarms(); a.Unsure != 1 {
		t.Errorf("a directory that is down: %+v", a)
	}
	c.want(t, "the directory is down", bob.Token, true)
	c.Must(c.dir.Up(t.Context()))

	c.Must(c.dir.Disable("bob"))
	core.LookRound(c.Service, t.Context())
	c.want(t, "disabled", bob.Token, false)
	c.want(t, "somebody else", ann.Token, true)
	if by := c.Text(`SELECT disabled_by FROM accounts WHERE username = 'bob'`); by != "directory" {
		t.Errorf("disabled by %s", by)
	}
	if detail := c.Text(`SELECT detail FROM records WHERE op = 'adm.account_disable'`); detail != `{"by":"directory"}` {
		t.Errorf("recorded %s", detail)
	}

	c.Must(c.dir.Remove("carl"))
	core.LookRound(c.Service, t.Context())
	c.want(t, "gone once", carl.Token, true)
	core.LookRound(c.Service, t.Context())
	c.want(t, "gone twice in a moment", carl.Token, true)
	c.later.Store(int64(time.Minute))
	core.LookRound(c.Service, t.Context())
	c.want(t, "gone for a minute", carl.Token, false)

	c.Must(c.dir.Remove("ann"))
	c.Must(c.dir.Remove("bob"))
	for range 3 {
		core.LookRound(c.Service, t.Context())
	}
	c.want(t, "the directory knows nobody", ann.Token, true)
	if a := c.Alarms(); a.Unsure != 1 {
		t.Errorf("a directory that knows nobody: %+v", a)
	}
}

// TestAttackRefusedSignIn: a refused sign-in is enough to have somebody looked
// up: disabled ends at once, gone once that has lasted. However often it is
// refused, somebody who is out of sight for a moment stays. A wrong password, or
// the name of nobody, ends nobody.
func TestAttackRefusedSignIn(t *testing.T) {
	t.Parallel()
	c := startCorp(t, "bob", "carl", "dora")
	bob, carl, dora := c.SignIn("bob"), c.SignIn("carl"), c.SignIn("dora")
	refused := func(name, password string) {
		if _, err := c.Login(t.Context(), wire.Login{Username: name, Password: password}); err == nil {
			t.Errorf("%s signed in", name)
		}
	}
	refused("dora", "wrong")
	refused("nobody", "wrong")
	c.Must(c.dir.Disable("bob"))
	refused("BOB", "right")
	eventually(t, "bob's account ends", func() bool { return !c.stands(bob.Token) })

	c.Must(c.dir.Remove("carl"))
	refused("carl", "right")
	eventually(t, "carl is noted as gone", func() bool { return core.Absent(c.Service) == 1 })
	refused("carl", "right")
	core.LookRound(c.Service, t.Context())
	c.want(t, "gone for a moment", carl.Token, true)
	c.later.Store(int64(time.Minute))
	core.LookRound(c.Service, t.Context())
	c.want(t, "gone for a minute", carl.Token, false)
	c.want(t, "a wrong password", dora.Token, true)
}

// TestAttackMassChange: a directory that lets more people go than the fuse
// allows, at once or one after the other, ends none of those; an administrator
// can, by name.
func TestAttackMassChange(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range 23 {
		names = append(names, fmt.Sprintf("p%02d", i))
	}
	c := startCorp(t, names...)
	ann := c.SignIn("ann")
	tokens := map[string]string{}
	for _, name := range names {
		tokens[name] = c.SignIn(name).Token
	}
	for _, name := range names[:21] {
		c.Must(c.dir.Disable(name))
	}
	core.LookRound(c.Service, t.Context())
	if a := c.Alarms(); a.Fused != 21 {
		t.Errorf("21 at once: %+v", a)
	}
	c.want(t, "21 at once", tokens["p00"], true)
	c.Must(c.Disable(t.Context(), ann.P, "p00", "yes he left"))
	core.LookRound(c.Service, t.Context())
	c.want(t, "20 in a day", tokens["p20"], false)
	c.Must(c.dir.Disable("p21"))
	core.LookRound(c.Service, t.Context())
	c.want(t, "one more, the same day", tokens["p21"], true)
	if a := c.Alarms(); a.Fused != 1 {
		t.Errorf("one more: %+v", a)
	}
	c.want(t, "somebody who did not leave", tokens["p22"], true)
}

// TestRoundsByThemselves: from the directory to the channel with nobody's help.
func TestRoundsByThemselves(t *testing.T) {
	t.Parallel()
	c := startCorp(t, "bob")
	config := c.Config
	config.Recheck = 50 * time.Millisecond
	c.Service = c.Run(&config)
	ann := c.Found(envelope.CaptureOff, "ann")
	ann.Enrol()
	bob := c.Join("bob")
	team, err := c.CreateTeam(t.Context(), ann.P, wire.NewTeam{Name: "desk"})
	c.Must(err)
	desk := ann.Open(team.ID, "fx", envelope.CaptureOff, nil, bob)
	c.Must(c.dir.Disable("bob"))
	departed(t, desk, ann, bob)
	c.want(t, "bob", bob.Token, false)
	desk.Rotate(ann, envelope.CauseRemove)
	desk.Place(ann, desk.Seal(ann, "without bob"))
}
