package policy

import "github.com/open-policy-agent/opa/v1/ast"

// object collects the fields of a Rego object, leaving out what is absent.
// Building terms directly costs a fifth of a round trip through JSON.
type object [][2]*ast.Term

func (o *object) put(name string, value *ast.Term) {
	*o = append(*o, [2]*ast.Term{textTerm(name), value})
}

func (o *object) text(name, value string) {
	if value != "" {
		o.put(name, textTerm(value))
	}
}

func (o *object) number(name string, value *int64) {
	if value != nil {
		o.put(name, ast.InternedTerm(*value))
	}
}

func (o *object) flag(name string, value *bool) {
	if value != nil {
		o.put(name, ast.InternedTerm(*value))
	}
}

func (o *object) list(name string, values []string) {
	if values == nil {
		return
	}
	terms := make([]*ast.Term, len(values))
	for i, value := range values {
		terms[i] = textTerm(value)
	}
	o.put(name, ast.ArrayTerm(terms...))
}

func (o object) term() *ast.Term { return ast.ObjectTerm(o...) }

// vocabulary has a term for each word that recurs in every question. Terms of
// text never change, so all questions can share them.
var vocabulary = func() map[string]*ast.Term {
	words := []string{
		"schema", "action", "subject", "resource", "context", InputSchema,
		"id", "kind", "state", "roles", "scopes",
		"type", "team", "owner", "privacy", "team_role", "member_role", "member_state", "first_device", "holds",
		"requested_by", "approvals", "auditors", "recorders", "crypto", "by", "role",
		"capture", "epoch", "recorder_acked",
		"time", "transport", "device", "session", "overrides", "auth_at", "expires_at", "code", "until",
		"active", "approved", "public", "private", "direct", "moderator", "member", "none", "required", "off", "http", "ws",
		RoleAdmin, RoleOfficer, RoleLegal, RoleAuditor, RoleISSO,
		string(KindUser), string(KindRecorder), string(KindSigner), string(KindJob),
	}
	for action, spec := range specs {
		words = append(words, string(action), string(spec.Resource))
	}
	terms := make(map[string]*ast.Term, len(words))
	for _, word := range words {
		terms[word] = ast.StringTerm(word)
	}
	return terms
}()

func textTerm(text string) *ast.Term {
	if term, ok := vocabulary[text]; ok {
		return term
	}
	return ast.StringTerm(text)
}

// value is the question as rules see it. Its JSON twin is wire, and a test keeps
// the two equal.
func (q *Question) value() ast.Value {
	o := make(object, 0, 5)
	o.text("schema", InputSchema)
	o.text("action", string(q.Action))
	o.put("subject", q.Subject.term())
	o.put("resource", q.Resource.term())
	o.put("context", q.Context.term())
	return o.term().Value
}

func (s *Subject) term() *ast.Term {
	o := make(object, 0, 5)
	o.text("id", s.ID)
	o.text("kind", string(s.Kind))
	o.text("state", s.State)
	o.list("roles", s.Roles)
	o.list("scopes", s.Scopes)
	return o.term()
}

func (r *Resource) term() *ast.Term {
	o := make(object, 0, 15)
	o.text("type", string(r.Type))
	o.text("id", r.ID)
	o.text("team", r.Team)
	o.text("owner", r.Owner)
	o.text("privacy", r.Privacy)
	o.text("state", r.State)
	o.text("team_role", r.TeamRole)
	o.text("member_role", r.MemberRole)
	o.text("member_state", r.MemberState)
	o.flag("first_device", r.FirstDevice)
	o.number("holds", r.Holds)
	o.text("requested_by", r.RequestedBy)
	if r.Approvals != nil {
		o.put("approvals", approvalsTerm(r.Approvals))
	}
	o.list("auditors", r.Auditors)
	o.list("recorders", r.Recorders)
	if r.Crypto != nil {
		o.put("crypto", r.Crypto.term())
	}
	return o.term()
}

func approvalsTerm(approvals []Approval) *ast.Term {
	terms := make([]*ast.Term, len(approvals))
	for i, approval := range approvals {
		var o object
		o.text("by", approval.By)
		o.text("role", approval.Role)
		terms[i] = o.term()
	}
	return ast.ArrayTerm(terms...)
}

func (c *Crypto) term() *ast.Term {
	o := make(object, 0, 3)
	o.text("capture", c.Capture)
	o.number("epoch", c.Epoch)
	o.flag("recorder_acked", c.RecorderAcked)
	return o.term()
}

func (c *Context) term() *ast.Term {
	o := make(object, 0, 5)
	o.number("time", c.Time)
	o.text("transport", c.Transport)
	if c.Device != nil {
		o.put("device", c.Device.term())
	}
	if c.Session != nil {
		o.put("session", c.Session.term())
	}
	if c.Overrides != nil {
		o.put("overrides", overridesTerm(c.Overrides))
	}
	return o.term()
}

func (d *Device) term() *ast.Term {
	o := make(object, 0, 2)
	o.text("id", d.ID)
	o.text("state", d.State)
	return o.term()
}

func (s *Session) term() *ast.Term {
	o := make(object, 0, 3)
	o.text("id", s.ID)
	o.number("auth_at", s.AuthAt)
	o.number("expires_at", s.ExpiresAt)
	return o.term()
}

func overridesTerm(overrides []Override) *ast.Term {
	terms := make([]*ast.Term, len(overrides))
	for i, override := range overrides {
		var o object
		o.text("code", override.Code)
		o.number("until", override.Until)
		terms[i] = o.term()
	}
	return ast.ArrayTerm(terms...)
}
