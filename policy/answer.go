package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ErrAnswer reports a bundle's answer that is not a chancery.decision/v1.
var ErrAnswer = errors.New("policy answer has the wrong shape")

// fields is one object of an answer. Reading a field takes it out, so what is
// left at the end was not expected; the first mistake is kept.
type fields struct {
	values map[string]any
	err    error
}

func fieldsOf(value any) *fields {
	values, ok := value.(map[string]any)
	if !ok {
		return &fields{err: fmt.Errorf("%w: %T where an object belongs", ErrAnswer, value)}
	}
	return &fields{values: values}
}

// take reads one required field of type T.
func take[T any](f *fields, name string) T {
	value, ok := f.values[name].(T)
	if !ok && f.err == nil {
		f.err = fmt.Errorf("%w: field %q is %T", ErrAnswer, name, f.values[name])
	}
	delete(f.values, name)
	return value
}

// close reports the first mistake, or a field nobody read.
func (f *fields) close() error {
	if f.err != nil {
		return f.err
	}
	for name := range f.values {
		return fmt.Errorf("%w: unexpected field %q", ErrAnswer, name)
	}
	return nil
}

// parseAnswer turns what the bundle said into a Decision, or refuses to.
func parseAnswer(value any) (Decision, error) {
	f := fieldsOf(value)
	d := Decision{Allow: take[bool](f, "allow")}
	reasons, duties := take[[]any](f, "reasons"), take[[]any](f, "obligations")
	needs := take[map[string]any](f, "needs")
	until, err := take[json.Number](f, "valid_until").Int64()
	if err := errors.Join(f.close(), err); err != nil {
		return Decision{}, err
	}
	d.ValidUntil = until
	if d.Reasons, err = parseEach(reasons, parseReason); err != nil {
		return Decision{}, err
	}
	if d.Obligations, err = parseEach(duties, parseObligation); err != nil {
		return Decision{}, err
	}
	if d.Needs, err = parseNeeds(needs); err != nil {
		return Decision{}, err
	}
	return d, d.coherent()
}

// coherent refuses an answer that contradicts itself.
func (d *Decision) coherent() error {
	granted := false
	for _, reason := range d.Reasons {
		granted = granted || reason.Level == LevelGrant
	}
	switch {
	case len(d.Reasons) == 0:
		return fmt.Errorf("%w: no reason given", ErrAnswer)
	case d.Allow != granted:
		return fmt.Errorf("%w: allow is %t, its reasons say otherwise", ErrAnswer, d.Allow)
	}
	return nil
}

func parseEach[T any](values []any, parse func(*fields) (T, error)) ([]T, error) {
	parsed := make([]T, len(values))
	for i, value := range values {
		var err error
		if parsed[i], err = parse(fieldsOf(value)); err != nil {
			return nil, err
		}
	}
	return parsed, nil
}

func parseReason(f *fields) (Reason, error) {
	r := Reason{
		Code:     take[string](f, "code"),
		Level:    Level(take[string](f, "level")),
		UserText: take[string](f, "user_text"),
	}
	if err := f.close(); err != nil {
		return Reason{}, err
	}
	var ok bool
	if r.Package, r.Rule, ok = strings.Cut(r.Code, "."); !ok {
		return Reason{}, fmt.Errorf("%w: reason code %q", ErrAnswer, r.Code)
	}
	return r, nil
}

func parseObligation(f *fields) (Obligation, error) {
	o := Obligation{
		Type:  take[string](f, "type"),
		Args:  take[map[string]any](f, "args"),
		Phase: Phase(take[string](f, "phase")),
	}
	if err := f.close(); err != nil {
		return Obligation{}, err
	}
	switch o.Phase {
	case PhaseBefore, PhaseWith, PhaseAfter:
	default:
		return Obligation{}, fmt.Errorf("%w: obligation phase %q", ErrAnswer, o.Phase)
	}
	if !knownObligation(o.Type) {
		return Obligation{}, fmt.Errorf("%w: unknown obligation %q", ErrAnswer, o.Type)
	}
	return o, nil
}

func parseNeeds(values map[string]any) (Needs, error) {
	f := &fields{values: values}
	if _, ok := values["approval"]; !ok {
		return Needs{}, f.close()
	}
	a := fieldsOf(take[map[string]any](f, "approval"))
	need := ApprovalNeed{Role: take[string](a, "role")}
	quorum, err := take[json.Number](a, "quorum").Int64()
	need.Quorum = int(quorum)
	return Needs{Approval: &need}, errors.Join(f.close(), a.close(), err)
}
